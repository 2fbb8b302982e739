/* The bar of months and years beside a timeline: a slider for mouse, touch and keys. */

const LEAST_GAP = 26; // pixels between two names of years
const SHORT = 2.5; // windows; a timeline that is not longer needs no bar

export class Scrubber {
  constructor(grid) {
    this.grid = grid;
    this.bar = box("scrubber");
    this.bar.tabIndex = 0;
    this.thumb = box("scrubber-thumb");
    this.label = box("scrubber-label");
    this.thumb.append(this.label);
    this.bar.append(this.thumb);
    this.bar.hidden = true; // until follow() knows how long the timeline is
    const facts = {
      role: "slider", "aria-orientation": "vertical", "aria-label": grid.texts.textDates,
      "aria-valuemin": 0, "aria-valuenow": 0,
    };
    for (const [name, value] of Object.entries(facts)) this.bar.setAttribute(name, value);
    grid.element.after(this.bar);
    this.bar.addEventListener("pointerdown", (event) => this.drag(event));
    this.bar.addEventListener("keydown", (event) => this.on_key(event));
    for (const name of ["wheel", "touchmove", "pointerdown", "keydown"]) {
      addEventListener(name, (event) => { if (event.target !== this.bar || name === "pointerdown") this.went = null; }, { passive: true });
    }
  }

  /** Writes the years beside the bar, where their pictures begin. */
  rule() {
    this.bar.querySelectorAll(".scrubber-year").forEach((old) => old.remove());
    const whole = this.height();
    this.ruled_for = whole;
    let top = 0, year = "", free_from = -LEAST_GAP;
    for (const section of this.grid.sections) {
      const at = (top / whole) * this.bar.clientHeight;
      top += section.height;
      if (section.month.slice(0, 4) === year) continue;
      year = section.month.slice(0, 4);
      if (at < free_from || at > this.bar.clientHeight - LEAST_GAP / 2) continue;
      const name = box("scrubber-year");
      name.textContent = year;
      name.style.top = `${at}px`;
      this.bar.append(name);
      free_from = at + LEAST_GAP;
    }
  }

  height() { return this.grid.sections.reduce((sum, section) => sum + section.height, 0); }

  /** Says where the window stands. */
  follow() {
    const whole = this.height();
    this.bar.hidden = whole < innerHeight * SHORT;
    if (this.bar.hidden) return;
    if (this.ruled_for !== whole || this.ruled_in !== this.bar.clientHeight) this.rule();
    this.ruled_in = this.bar.clientHeight;
    const start = this.grid.top_of(this.grid.sections[0]);
    const part = Math.min(1, Math.max(0, (scrollY - start) / Math.max(1, whole - innerHeight)));
    const place = this.place();
    const words = this.grid.sections[place].element.dataset.name;
    this.thumb.style.top = `${part * this.bar.clientHeight}px`;
    if (this.label.textContent === words) return;
    this.label.textContent = words;
    this.bar.setAttribute("aria-valuemax", this.grid.sections.length - 1);
    this.bar.setAttribute("aria-valuenow", place);
    this.bar.setAttribute("aria-valuetext", words);
  }

  /** The place of the section at the top of the window, or of the one that was gone to: heights settle only there. */
  place() {
    const seen = this.went ?? this.grid.first_seen()?.section;
    const known = seen ? this.grid.sections.indexOf(seen) : 0;
    return Math.max(0, known);
  }

  go(place) {
    const section = this.grid.sections[Math.min(this.grid.sections.length - 1, Math.max(0, place))];
    scrollTo({ top: this.grid.top_of(section) - this.grid.covered() + 1, behavior: "instant" }); // none of the one before
    this.went = section;
    this.follow();
  }

  on_key(event) {
    const { sections } = this.grid, here = this.place(), year = sections[here].month.slice(0, 4);
    const of_year = (test) => sections.findIndex((section) => test(section.month.slice(0, 4)));
    const later = sections[of_year((other) => other === year) - 1]?.month.slice(0, 4);
    const before = of_year((other) => other === later);
    const after = of_year((other) => other < year);
    const to = {
      ArrowDown: here + 1, ArrowRight: here + 1, ArrowUp: here - 1, ArrowLeft: here - 1,
      PageDown: after < 0 ? sections.length - 1 : after, PageUp: Math.max(0, before), Home: 0, End: sections.length - 1,
    }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    this.go(to);
  }

  drag(event) {
    event.preventDefault();
    this.bar.focus({ preventScroll: true });
    this.bar.setPointerCapture(event.pointerId);
    this.bar.classList.add("dragged");
    const move = ({ clientY }) => {
      const { top, height } = this.bar.getBoundingClientRect();
      const part = Math.min(1, Math.max(0, (clientY - top) / height));
      const start = this.grid.top_of(this.grid.sections[0]);
      scrollTo({ top: part ? start + part * (this.height() - innerHeight) : 0, behavior: "instant" });
    };
    const end = () => {
      this.bar.removeEventListener("pointermove", move);
      this.bar.classList.remove("dragged");
    };
    move(event);
    this.bar.addEventListener("pointermove", move);
    for (const name of ["pointerup", "pointercancel"]) this.bar.addEventListener(name, end, { once: true });
  }
}

function box(name) {
  const made = document.createElement("div");
  made.className = name;
  return made;
}
