/* Where pictures stand: lines as wide as the grid, every picture in its own proportions. No elements here. */

const NARROWEST = 0.45, WIDEST = 3.2; // beyond these a picture is cut, or it would fill the line or vanish in it
const LEAST_GROUP = 165; // pixels; a day with a single upright picture still has room for its name

/**
 * The boxes of `rows`, and the headings of their days.
 *
 * A day that fills less than a line shares it with the next one. `form`: {width, target, gap, heading} in pixels, the
 * last 0 where there are no headings. Answers {height, boxes: [{x, y, width, height}], headings: [{day, x, y, width,
 * from, to}]}; boxes are in the order of rows and their y never falls.
 */
export function justify(rows, form) {
  const made = { height: 0, boxes: [], headings: [] };
  let x = 0, y = 0, band = 0; // where the next day goes, and how high the line of days is by now
  for (const [from, to] of groups(rows, form.heading)) {
    const lines = break_lines(rows.slice(from, to), form);
    const taken = lines.length > 1 ? form.width : Math.max(LEAST_GROUP, Math.min(form.width, lines[0].used));
    if (x && x + taken > form.width) { x = 0; y += band; band = 0; }
    const beside = made.headings.at(-1);
    if (x && beside) beside.width = x - beside.x - form.gap; // a name ends where the next one begins
    if (form.heading) made.headings.push({ day: rows[from].day, x, y, width: form.width - x, from, to });
    let below = y + form.heading;
    for (const line of lines) {
      for (const box of line.boxes) made.boxes.push({ ...box, x: x + box.x, y: below });
      below += line.height + form.gap;
    }
    band = Math.max(band, below - y);
    x += taken + form.gap * 5;
  }
  made.height = Math.ceil(y + band);
  return made;
}

/** How high `count` pictures will probably be. */
export function estimate(count, form) {
  const per_line = Math.max(1, Math.round(form.width / (form.target * 1.35)));
  const days = form.heading ? Math.min(count / 4, 30) : 0;
  return Math.ceil(count / per_line) * (form.target + form.gap) + Math.ceil(days) * form.heading;
}

function groups(rows, heading) {
  if (!heading) return rows.length ? [[0, rows.length]] : [];
  const found = [];
  let from = 0;
  for (let i = 1; i <= rows.length; i++) {
    if (i === rows.length || rows[i].day !== rows[from].day) { found.push([from, i]); from = i; }
  }
  return rows.length ? found : [];
}

function break_lines(rows, form) {
  const lines = [];
  let line = [], sum = 0;
  const height_of = (ratios, count) => (form.width - form.gap * (count - 1)) / ratios;
  for (const row of rows) {
    const ratio = Math.min(WIDEST, Math.max(NARROWEST, row.width / row.height));
    const height = height_of(sum + ratio, line.length + 1);
    if (line.length && height < form.target) {
      const before = height_of(sum, line.length);
      if (before / form.target <= form.target / height) { // nearer to what is wanted without this one
        lines.push(set_line(line, before, form, true));
        line = [ratio]; sum = ratio;
        continue;
      }
    }
    line.push(ratio); sum += ratio;
    if (height <= form.target) { lines.push(set_line(line, height, form, true)); line = []; sum = 0; }
  }
  if (line.length) {
    const full = height_of(sum, line.length);
    const fits = full <= form.target * 1.2;
    lines.push(set_line(line, fits ? full : form.target, form, fits));
  }
  return lines;
}

function set_line(ratios, height, form, is_full) {
  const high = Math.round(height);
  let exact = 0;
  const boxes = ratios.map((ratio, i) => {
    const x = Math.round(exact);
    exact += ratio * height + form.gap;
    const end = is_full && i === ratios.length - 1 ? form.width : Math.round(exact - form.gap);
    return { x, width: end - x, height: high };
  });
  return { boxes, height: high, used: Math.round(exact) };
}
