// The bar below a grid in which pictures are chosen (album/album_add.html): how many, and off they go with its form.

import { announce } from "./app.js";

const form = document.getElementById("chosen");
const [count, button] = [form.querySelector("output"), form.querySelector("button")];
const ids = document.getElementById("chosen-ids");
button.disabled = true;

document.addEventListener("album:selection", ({ detail: { grid, ids: { size } } }) => {
  button.disabled = !size;
  count.textContent = size ? form.dataset.textSelected.replace("{count}", size.toLocaleString(grid.language)) : "";
  if (size) announce(count.textContent);
  ids.value = [...grid.selected].join(",");
});

// What was chosen before this script was there, on this page or an earlier one.
if (ids.value) document.querySelector("[data-grid]").grid.select(ids.value.split(","));
