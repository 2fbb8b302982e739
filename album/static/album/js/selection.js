/* What is done with the picked pictures of a grid: the bar of album/_selection.html. */

import { announce, post, toast } from "./app.js";
import { chooseAlbum, textAdded } from "./choose_album.js";

const MOST_AT_ONCE = 1000, MOST_ZIPPED = 5000;
const BACK = { trash: "restore", archive: "unarchive" };

class Selection {
  constructor(bar) {
    this.bar = bar;
    this.texts = bar.dataset;
    this.leaves = new Set(`${this.texts.leaves} trash remove-from-album`.split(" "));
    document.addEventListener("album:selection", ({ detail }) => this.follow(detail.grid));
    bar.addEventListener("click", (event) => this.on_click(event.target.closest("button")));
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && !document.querySelector("dialog[open]") && bar.contains(event.target)) this.grid?.clear();
    });
    for (const form of document.querySelectorAll("form[data-bulk]")) {
      form.addEventListener("submit", (event) => this.on_submit(event, form));
    }
  }

  follow(grid) {
    this.grid = grid;
    const { size } = grid.selected, words = this.texts.textSelected.replace("{count}", size);
    this.bar.hidden = !size;
    for (const single of this.bar.querySelectorAll("[data-single]")) single.hidden = size !== 1;
    this.bar.querySelector("[data-count]").textContent = size.toLocaleString(grid.language);
    if (size) announce(words);
  }

  on_click(button) {
    if (!button) return;
    if ("clear" in button.dataset) this.clear();
    else if ("download" in button.dataset) this.download();
    else if (button.dataset.sends) this.send(document.getElementById(button.dataset.sends));
    else if (button.dataset.asks) document.getElementById(button.dataset.asks).showModal();
    else if ("adds" in button.dataset) this.add();
    else if (button.dataset.act === "favourite") this.act(this.are_favourites() ? "unfavourite" : "favourite");
    else if (button.dataset.act) this.act(button.dataset.act, { album: this.texts.album ?? "" });
  }

  are_favourites() {
    return [...this.grid.selected].every((id) => this.grid.row(id)?.is_favourite);
  }

  /** Gives the focus back to the grid, which the bar that vanishes would take along. */
  clear() {
    const { grid } = this;
    grid.clear();
    (grid.element.querySelector(".tile a[tabindex='0']") ?? document.getElementById("content")).focus({ preventScroll: true });
  }

  async add() {
    const chosen = await chooseAlbum();
    if (chosen) this.act("add-to-album", chosen);
  }

  on_submit(event, form) {
    event.preventDefault();
    const data = Object.fromEntries(new FormData(form, event.submitter));
    if ("shift" in form.dataset) {
      data.minutes = (data.days * 1440 + data.hours * 60 + Number(data["shift-minutes"])) * data.direction;
    }
    form.closest("dialog").close();
    this.act(data.action, data);
  }

  /** Does it to all picked pictures, some at once, and says for how many and why not for others. */
  async act(action, more = {}) {
    const { grid } = this, ids = [...grid.selected], done = [], refused = new Map();
    this.bar.setAttribute("aria-busy", "true");
    try {
      let album = more.album ?? "";
      for (let from = 0; from < ids.length; from += MOST_AT_ONCE) {
        const data = new FormData();
        const values = { ...more, action, album, ids: ids.slice(from, from + MOST_AT_ONCE).join(",") };
        for (const [name, value] of Object.entries(values)) data.set(name, value);
        const answer = await post(this.texts.address, data);
        album = answer.album ?? album; // one that was made for the first of them
        done.push(...answer.ids);
        for (const { reason, ids: others } of answer.refused) refused.set(reason, (refused.get(reason) ?? 0) + others.length);
      }
    } catch (error) {
      toast(error.message, { error: true });
    }
    this.bar.removeAttribute("aria-busy");
    if (!done.length && !refused.size) return;
    this.tell(action, done, ids.length, refused);
    this.change(action, done);
  }

  tell(action, done, all, refused) {
    const whole = { "add-to-album": textAdded, trash: this.texts.textTrash, archive: this.texts.textArchive };
    const part = this.texts.textPart.replace("{done}", done.length).replace("{all}", all);
    const words = done.length === all ? whole[action] ?? this.texts.textDone : part;
    const undo = BACK[action] && done.length ? { label: this.texts.textUndo, run: () => this.undo(action, done) } : null;
    const reasons = [...refused].map(([reason, count]) => `${reason} (${count})`);
    toast([words, ...reasons].join(" "), { error: !done.length, action: undo });
  }

  change(action, done) {
    const { grid } = this;
    const shifts = action === "shift-date";
    if (action.endsWith("favourite")) done.forEach((id) => grid.update(id, { is_favourite: action === "favourite" }));
    if (this.leaves.has(action)) grid.remove(done);
    this.clear();
    if (shifts && done.length) location.reload(); // they stand elsewhere now
  }

  async undo(action, ids) {
    for (let from = 0; from < ids.length; from += MOST_AT_ONCE) {
      const data = new FormData();
      data.set("action", BACK[action]);
      data.set("ids", ids.slice(from, from + MOST_AT_ONCE).join(","));
      await post(this.texts.address, data).catch((error) => toast(error.message, { error: true }));
    }
    location.reload();
  }

  /** Goes on to a page of its own with the picked pictures. */
  send(form) {
    form.elements.ids.value = [...this.grid.selected].join(",");
    form.submit();
  }

  download() {
    const ids = [...this.grid.selected];
    if (ids.length > MOST_ZIPPED) { toast(this.texts.textTooMany, { error: true }); return; }
    const form = document.querySelector("[data-zip-form]");
    form.elements.ids.value = ids.join(",");
    form.submit();
    toast(this.texts.textZip);
  }
}

for (const bar of document.querySelectorAll("[data-selection]")) new Selection(bar);
