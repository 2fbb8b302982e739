// The dialog of album/_choose_album.html: into which album, or into which new one.

import { request, toast } from "./app.js";

const dialog = document.getElementById("choose-album");
const which = document.getElementById("choose-album-which");
const name = document.getElementById("choose-album-name");

/** What somebody chose, {album, title} as the address of bulk changes takes it, or null. */
export async function chooseAlbum() {
  let albums;
  try {
    ({ albums } = await request(dialog.dataset.albums));
  } catch (error) {
    toast(error.message, { error: true });
    return null;
  }
  const last = which.value; // once chosen it is offered first
  which.replaceChildren(...albums.map(([id, title]) => new Option(title, id)), new Option(dialog.dataset.textNew, ""));
  if (albums.some(([id]) => String(id) === last)) which.value = last;
  name.value = "";
  ask();
  dialog.returnValue = "";
  dialog.showModal();
  await new Promise((done) => { dialog.addEventListener("close", done, { once: true }); });
  return dialog.returnValue ? { album: which.value, title: name.value } : null;
}

export const textAdded = dialog?.dataset.textAdded;

function ask() {
  name.parentElement.hidden = which.value !== "";
  name.required = which.value === "";
}

which?.addEventListener("change", ask);
