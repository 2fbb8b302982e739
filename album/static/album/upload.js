// Tells when each chosen file was changed on this device: the last resort for photos that state no date.
const form = document.querySelector("form.upload");
form.addEventListener("submit", () => {
  const times = Array.from(form.elements.uploads.files, (file) => file.lastModified);
  form.elements.modified.value = JSON.stringify(times);
});
