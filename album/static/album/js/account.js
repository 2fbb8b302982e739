// Passkeys where the browser can do them, words where one was not read, and buttons that copy.
import { announce, toast } from "./app.js";

if (window.PublicKeyCredential) {
  for (const element of document.querySelectorAll("[data-needs-passkeys]")) element.hidden = false;
}

document.addEventListener("allauth.error", (event) => {
  event.preventDefault();
  toast(document.getElementById("passkey-words").dataset.failed, { error: true });
});

// <button data-copies="ID" data-done="words" hidden> copies the value of the field, where the browser lets it.
for (const button of document.querySelectorAll("[data-copies]")) {
  if (!navigator.clipboard) continue;
  button.hidden = false;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(document.getElementById(button.dataset.copies).value);
    button.textContent = button.dataset.done;
    announce(button.dataset.done);
  });
}
