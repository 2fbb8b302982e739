/* A grid by keyboard alone. */

/** Moves from picture to picture by arrows; all other keys are for picking. */
export async function on_key(grid, event) {
  const tile = event.target.closest(".tile");
  if (!tile || event.ctrlKey || event.metaKey || event.altKey) return;
  const index = grid.index_of(tile.dataset.id);
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  const turned = { ArrowUp: -1, ArrowDown: 1 }[event.key];
  if (!step && !turned) return grid.picking.on_key(event, Number(tile.dataset.id));
  event.preventDefault();
  const place = step ? index + step : await beside(grid, index, turned);
  const row = place >= 0 ? await grid.load(place) : undefined;
  if (!row) return;
  if (event.shiftKey && grid.picking.is_possible) await grid.picking.reach(index, place);
  grid.reveal(row.id);
}

/** The index of the picture in the next line, or the one before, that is nearest across. */
async function beside(grid, index, turned) {
  const center = (box) => box.x + box.width / 2;
  const [section, i] = grid.section_at(index);
  const from = section.layout.boxes[i];
  let best = -1, line = null;
  for (let next = index + turned; next >= 0; next += turned) {
    if (!(await grid.load(next))) break;
    const [other, j] = grid.section_at(next);
    const box = other.layout.boxes[j];
    if (other === section && box.y === from.y) continue;
    line ??= [other, box.y];
    if (line[0] !== other || line[1] !== box.y) break;
    const is_nearer = best < 0 || Math.abs(center(box) - center(from)) < Math.abs(center(box_at(grid, best)) - center(from));
    if (is_nearer) best = next;
  }
  return best;
}

function box_at(grid, index) {
  const [section, i] = grid.section_at(index);
  return section.layout.boxes[i];
}
