// Putting things in order by dragging, by keys and by buttons; copying an address.
//
// <ol data-sortable="ADDRESS" data-moved="%(name)s is now number %(place)s of %(count)s."> of li[data-id][data-name]:
// with an address the order is sent there after each move, without one it goes into the field "ids" of the form around.
import { announce, post, toast } from "./app.js";

const STEPS = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1, Home: -Infinity, End: Infinity };

function sortable(list) {
  const form = list.closest("form");
  let dragged = null;
  let waiting = null;

  const members = () => [...list.children];
  const tell = (item) => announce(fill(list.dataset.moved, {
    name: item.dataset.name, place: members().indexOf(item) + 1, count: list.children.length,
  }));

  function keep() {
    const ids = members().map((item) => item.dataset.id).join(",");
    if (!list.dataset.sortable) { form.elements.ids.value = ids; return; }
    clearTimeout(waiting);
    waiting = setTimeout(() => {
      const data = new FormData();
      data.set("ids", ids);
      post(list.dataset.sortable, data).catch((error) => toast(error.message, { error: true }));
    }, 400);
  }

  function move(item, step) {
    const from = members().indexOf(item);
    const to = Math.max(0, Math.min(list.children.length - 1, from + step));
    if (to === from) return;
    const focused = document.activeElement;
    list.insertBefore(item, to > from ? list.children[to].nextSibling : list.children[to]);
    focused.focus();
    tell(item);
    keep();
  }

  list.addEventListener("click", (event) => {
    const mover = event.target.closest("[data-move]");
    if (mover) move(mover.closest("[data-id]"), Number(mover.dataset.move));
  });
  list.addEventListener("keydown", (event) => {
    const step = STEPS[event.key];
    if (step === undefined || !event.target.matches("[data-id]") || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    move(event.target, step);
    event.target.scrollIntoView({ block: "nearest" });
  });

  list.addEventListener("dragstart", (event) => {
    dragged = event.target.closest?.("[data-id]");
    if (!dragged) return;
    event.dataTransfer.effectAllowed = "move";
    event.dataTransfer.setData("text/plain", dragged.dataset.name);
    requestAnimationFrame(() => dragged?.classList.add("dragged"));
  });
  list.addEventListener("dragover", (event) => {
    const over = event.target.closest("[data-id]");
    if (!dragged) return;
    event.preventDefault();
    if (!over || over === dragged || over.parentNode !== list) return;
    const isLater = members().indexOf(over) > members().indexOf(dragged);
    list.insertBefore(dragged, isLater ? over.nextSibling : over);
  });
  list.addEventListener("drop", (event) => event.preventDefault());
  list.addEventListener("dragend", () => {
    if (!dragged) return;
    dragged.classList.remove("dragged");
    tell(dragged);
    keep();
    dragged = null;
  });
  touch(list, { members, done: (item) => { tell(item); keep(); } });
}

/** On a touch screen: hold a picture for a moment, then drag it. */
function touch(list, { members, done }) {
  let held = null;
  let timer = null;
  const drop = () => {
    clearTimeout(timer);
    if (held) { held.classList.remove("dragged"); done(held); }
    held = null;
  };
  list.addEventListener("touchstart", (event) => {
    const item = event.target.closest("[data-id][draggable=true]");
    if (!item || event.touches.length > 1) return;
    timer = setTimeout(() => { held = item; item.classList.add("dragged"); navigator.vibrate?.(15); }, 350);
  }, { passive: true });
  list.addEventListener("touchmove", (event) => {
    if (!held) { clearTimeout(timer); return; }
    event.preventDefault();
    const { clientX, clientY } = event.touches[0];
    const over = document.elementFromPoint(clientX, clientY)?.closest("[data-id]");
    if (!over || over === held || over.parentNode !== list) return;
    const isLater = members().indexOf(over) > members().indexOf(held);
    list.insertBefore(held, isLater ? over.nextSibling : over);
  }, { passive: false });
  list.addEventListener("touchend", drop);
  list.addEventListener("touchcancel", drop);
  list.addEventListener("contextmenu", (event) => { if (held) event.preventDefault(); });
}

function fill(words, values) {
  return words.replace(/%\((\w+)\)s/g, (_, name) => values[name]);
}

function setDraggable(list, on) {
  for (const item of list.children) {
    item.draggable = on;
    for (const inner of item.querySelectorAll("a, img")) inner.draggable = false;
  }
}

const arranger = document.querySelector("[data-arranges]");
for (const list of document.querySelectorAll("[data-sortable]")) {
  sortable(list);
  if (!arranger) { setDraggable(list, true); continue; }
  arranger.hidden = false;
  arranger.addEventListener("click", () => {
    const on = arranger.getAttribute("aria-pressed") !== "true";
    arranger.setAttribute("aria-pressed", String(on));
    list.classList.toggle("arranging", on);
    setDraggable(list, on);
    for (const movers of list.querySelectorAll(".movers")) movers.hidden = !on;
  });
}

// Fields that take several names: suggestions go on behind the last comma.
for (const name of ["tags", "people"]) {
  const field = document.querySelector(`input[list="known-${name}"]`);
  if (!field) continue;
  const known = [...field.list.options].map((option) => option.value);
  field.addEventListener("input", () => {
    const before = field.value.slice(0, field.value.lastIndexOf(",") + 1);
    field.list.replaceChildren(...known.map((value) => new Option("", before ? `${before} ${value}` : value)));
  });
}

for (const button of document.querySelectorAll("[data-copies]")) {
  const field = document.getElementById(button.dataset.copies);
  button.hidden = false;
  button.addEventListener("click", async () => {
    field.select();
    // Without TLS a page may not use the clipboard; then the address is at least selected.
    const isCopied = await navigator.clipboard?.writeText(field.value).then(() => true, () => false) || document.execCommand("copy");
    toast(isCopied ? button.dataset.copied : button.dataset.selected);
  });
}
