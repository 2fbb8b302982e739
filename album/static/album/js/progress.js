// A batch that is watched: htmx brings the numbers, here they are read out now and then, not at each tick.

import { announce, isSignedOut } from "./app.js";

const EACH_PERCENT = 20;
const watch = document.querySelector("[data-watch]");

if (watch) {
  const lost = watch.querySelector("[data-lost-notice]");
  let said = reached();

  /** What is worth saying: another step, or another fifth of the way. */
  function reached() {
    const { step, percent } = document.getElementById("run")?.dataset ?? {};
    return step ? `${step} ${Math.floor(Number(percent) / EACH_PERCENT)}` : "";
  }

  watch.addEventListener("htmx:afterSettle", () => {
    lost.hidden = true;
    const now = reached();
    if (now === said) return;
    said = now;
    const run = document.getElementById("run");
    const words = run.querySelector("#run-words").textContent.replace(/\s+/g, " ").trim();
    const percent = watch.dataset.percent.replace("{percent}", run.dataset.percent);
    announce(now ? `${words}. ${percent}` : `${watch.dataset.ended} ${words}`);
  });

  // A server that is away is told here, once, and asked again: not in a toast every two seconds.
  for (const name of ["htmx:sendError", "htmx:responseError"]) {
    watch.addEventListener(name, (event) => {
      if (isSignedOut(event.detail.xhr)) return; // that is told in a toast
      event.stopPropagation();
      lost.textContent = watch.dataset.lost;
      lost.hidden = false;
    });
  }
}
