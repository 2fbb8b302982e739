/* Whoever comes back to a timeline finds it where it was left. */

/** Notes what stands at the top of the window when the page is left. */
export function keep_place(grid) {
  addEventListener("pagehide", () => {
    const seen = scrollY > 0 ? grid.first_seen() : null;
    const place = seen && { month: seen.section.month, id: seen.id, below: scrollY - seen.top };
    sessionStorage.setItem(name_of(), JSON.stringify(place));
  });
}

/** Goes to where the page was left, if it was come back to or loaded anew. */
export async function find_place(grid) {
  const [visit] = performance.getEntriesByType("navigation");
  const place = visit?.type === "navigate" ? null : JSON.parse(sessionStorage.getItem(name_of()));
  const section = place && grid.sections.find((one) => one.month === place.month);
  if (!section) return;
  history.scrollRestoration = "manual"; // the browser knows no heights of what is not there yet
  scrollTo({ top: grid.top_of(section), behavior: "instant" });
  while (place.id && !grid.row(place.id) && section.next !== null) {
    if (!(await grid.fetch_piece(section))) return;
  }
  if (grid.row(place.id)) scrollTo({ top: grid.top_of_item(place.id) + place.below, behavior: "instant" });
}

const name_of = () => `place ${location.pathname}${location.search}`;
