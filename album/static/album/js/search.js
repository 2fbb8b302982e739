/* The search box completes what is typed: a combobox with a list of tags, people, places, cameras and albums.

THE PAGE writes <input id="q" data-suggest="address" data-text-count="{count} suggestions" data-text-none="…">.
The address answers ?q= with {"suggestions": [{kind, label, text, count}, …]}; text is the whole search with it. */

const PAUSE_MS = 150;
const box = document.getElementById("q");
const announcer = document.getElementById("announcer");

if (box?.dataset.suggest) {
  const list = document.createElement("ul");
  Object.assign(list, { id: "q-suggestions", className: "suggestions", hidden: true });
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", box.labels[0]?.textContent ?? "");
  box.form.append(list);
  for (const [name, value] of Object.entries({ role: "combobox", "aria-autocomplete": "list", "aria-controls": list.id, "aria-expanded": "false" })) {
    box.setAttribute(name, value);
  }

  let asked = "";
  let active = -1;
  let timer = 0;

  const close = () => {
    list.hidden = true;
    active = -1;
    box.setAttribute("aria-expanded", "false");
    box.removeAttribute("aria-activedescendant");
  };

  const mark = (index) => {
    active = index;
    for (const [place, option] of [...list.children].entries()) option.setAttribute("aria-selected", String(place === index));
    const option = list.children[index];
    if (option) { box.setAttribute("aria-activedescendant", option.id); option.scrollIntoView({ block: "nearest" }); }
    else box.removeAttribute("aria-activedescendant");
  };

  const show = (suggestions) => {
    const chosen = list.children[active]?.dataset.text; // while this answer was on its way
    list.replaceChildren(...suggestions.map(({ kind, label, text, count }, place) => {
      const option = document.createElement("li");
      option.id = `q-suggestion-${place}`;
      option.setAttribute("role", "option");
      option.setAttribute("aria-selected", "false");
      option.dataset.text = text;
      for (const [name, words] of [["kind", kind], ["label", label], ["number", count ?? ""]]) {
        const part = document.createElement(name === "label" ? "bdi" : "span");
        part.className = name;
        part.textContent = words;
        option.append(part, " ");
      }
      return option;
    }));
    if (!suggestions.length) return close();
    list.hidden = false;
    box.setAttribute("aria-expanded", "true");
    mark(suggestions.findIndex(({ text }) => text === chosen));
    if (announcer) announcer.textContent = box.dataset.textCount.replace("{count}", suggestions.length);
  };

  const ask = async () => {
    const text = asked = box.value;
    const response = await fetch(`${box.dataset.suggest}?q=${encodeURIComponent(text)}`).catch(() => null);
    const answer = response?.ok ? await response.json().catch(() => null) : null;
    if (answer && text === asked && document.activeElement === box) show(answer.suggestions);
  };

  const take = (option) => {
    box.value = option.dataset.text;
    close();
    box.form.requestSubmit();
  };

  box.addEventListener("input", () => {
    clearTimeout(timer);
    asked = "";
    if (box.value.trim().length < 2) return close();
    timer = setTimeout(ask, PAUSE_MS);
  });
  box.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    const count = list.children.length;
    if (event.key === "Escape" && !list.hidden) { event.preventDefault(); close(); }
    else if (list.hidden) { if (event.key === "ArrowDown" && box.value.trim().length > 1) { event.preventDefault(); ask(); } }
    else if (event.key === "ArrowDown") { event.preventDefault(); mark((active + 2) % (count + 1) - 1); }
    else if (event.key === "ArrowUp") { event.preventDefault(); mark((active + count + 1) % (count + 1) - 1); }
    else if (event.key === "Enter" && active >= 0) { event.preventDefault(); take(list.children[active]); }
  });
  box.addEventListener("blur", close);
  list.addEventListener("pointerdown", (event) => event.preventDefault()); // the box keeps the focus
  list.addEventListener("click", (event) => {
    const option = event.target.closest("[role=option]");
    if (option) take(option);
  });
}
