/* The filters of a grid in a dialog rather than on a page of their own. */

const link = document.querySelector("[data-filters]");
const dialog = document.querySelector("[data-filters-dialog]");

link?.addEventListener("click", async (event) => {
  if (event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  const response = await fetch(link.href).catch(() => null);
  const page = response?.ok ? new DOMParser().parseFromString(await response.text(), "text/html") : null;
  const form = page?.getElementById("filter-form");
  if (!form) { location.assign(link.href); return; }
  form.addEventListener("submit", () => { // an address that says no more than what is chosen
    for (const field of form.elements) field.disabled ||= field.name && !field.value;
  });
  dialog.replaceChildren(form);
  dialog.showModal();
});
