/* The elements of a grid: tiles and days near the window, each at its place. */

import { blur, dress, make_tile, show } from "./tile.js";

const SHORT = { day: "numeric", month: "short", year: "numeric", timeZone: "UTC" };
const NAMES = [ // pixels from which on a day is named like this
  [330, { dateStyle: "full", timeZone: "UTC" }], [205, { ...SHORT, weekday: "short" }], [0, SHORT],
];

export class Drawing {
  constructor(grid) {
    this.grid = grid;
    this.formats = new Map(); // each takes as long as many tiles, and mostly one is needed
  }

  /** Makes elements of what stands between two heights of `section`, and of nothing else. */
  dress(section, from, to, hurried) {
    const { boxes, headings } = section.layout ?? { boxes: [], headings: [] };
    let first = boxes.findIndex((box) => box.y + box.height >= from);
    if (first < 0) first = boxes.length;
    let end = first;
    while (end < boxes.length && boxes[end].y <= to) end++;
    const key = `${first} ${end} ${boxes.length}`;
    if (section.drawn === key && !section.tiles.size === (first === end)) {
      if (!hurried) for (const [i, tile] of section.tiles) show(tile, section.rows[i]);
      return;
    }
    section.drawn = key;
    for (const [i, tile] of section.tiles) {
      const is_focused = tile.contains(document.activeElement);
      if ((i < first || i >= end) && !is_focused) { tile.remove(); section.tiles.delete(i); }
    }
    section.heads.forEach((head) => head.remove());
    section.heads = [];
    const nodes = [];
    for (const heading of headings) {
      const [begin, stop] = [Math.max(first, heading.from), Math.min(end, heading.to)];
      if (begin < stop) nodes.push(this.head(section, heading));
      for (let i = begin; i < stop; i++) nodes.push(this.tile(section, i, hurried));
    }
    if (!headings.length) for (let i = first; i < end; i++) nodes.push(this.tile(section, i, hurried));
    nodes.forEach((node, place) => {
      const there = section.element.children[place];
      if (there !== node) section.element.insertBefore(node, there ?? null);
    });
  }

  head(section, heading) {
    const head = document.createElement("div"), name = document.createElement("h2");
    head.className = "day";
    name.textContent = this.names(heading.width).format(new Date(`${heading.day}T00:00Z`));
    head.append(name);
    put(head, { ...heading, height: this.grid.form.heading });
    section.heads.push(head);
    if (this.grid.picking.is_possible) this.grid.picking.add_to_heading(head, section, heading.day);
    return head;
  }

  names(room) {
    const [, form] = NAMES.find(([least]) => room >= least);
    if (!this.formats.has(form)) this.formats.set(form, new Intl.DateTimeFormat(this.grid.language, form));
    return this.formats.get(form);
  }

  tile(section, i, hurried) {
    const row = section.rows[i];
    let tile = section.tiles.get(i);
    if (!tile) {
      tile = this.grid.written.get(row.id) ?? make_tile(row, this.grid.href(row), this.grid.texts);
      if (this.grid.written.delete(row.id)) dress(tile, row, this.grid.texts);
      tile.querySelector("a").tabIndex = -1;
      this.grid.picking.mark(tile, row.id);
      put(tile, section.layout.boxes[i]);
      blur(tile, row);
      section.tiles.set(i, tile);
    }
    if (!hurried) show(tile, row);
    return tile;
  }

  undress(section) {
    section.element.replaceChildren();
    section.tiles.clear();
    section.heads = [];
    section.drawn = null;
  }

  /** Lets Tab reach one tile. */
  reach() {
    const tiles = this.grid.sections.flatMap((section) => [...section.tiles]
      .map(([i, tile]) => [section.rows[i].id, tile]));
    const [, reached] = tiles.find(([id]) => id === this.grid.current) ?? tiles[0] ?? [];
    for (const [, tile] of tiles) tile.querySelector("a").tabIndex = tile === reached ? 0 : -1;
  }
}

export function put(element, box) {
  Object.assign(element.style, {
    left: `${box.x}px`, top: `${box.y}px`, width: `${box.width}px`, height: `${box.height}px`,
  });
}
