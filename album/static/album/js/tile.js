/* One picture of a grid as an element: its placeholder, its marks, its check box. */

const DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz#$%*+,-.:;=?@[]^_{|}~";
const SIDE = 8; // pixels of a placeholder, which the browser smooths while it enlarges it

/** A tile for `row`; `texts` is the dataset of the grid, `href` where it leads. Its picture is fetched by show(). */
export function make_tile(row, href, texts) {
  const tile = element("div", "tile");
  tile.dataset.id = row.id;
  const link = element("a", "open");
  link.href = href;
  const image = element("img");
  Object.assign(image, { decoding: "async", draggable: false, width: row.width, height: row.height });
  link.append(image);
  tile.append(link);
  dress(tile, row, texts);
  return tile;
}

/** Brings a tile, also one that the server wrote, to what `row` says. */
export function dress(tile, row, texts) {
  const [link, image] = [tile.querySelector("a"), tile.querySelector("img")];
  image.alt = [row.alt, ...marks_of(row).map(([, , words]) => texts[words])].filter(Boolean).join(", ");
  link.draggable = false;
  tile.querySelector(".marks")?.remove();
  tile.querySelector(".note")?.remove();
  const marks = element("span", "marks");
  marks.setAttribute("aria-hidden", "true");
  for (const [icon, name, , extra] of marks_of(row)) {
    const mark = element("span", `mark ${name}`);
    if (extra) mark.append(extra);
    mark.append(drawing(icon, texts.icons));
    marks.append(mark);
  }
  link.append(marks);
  if (row.note) {
    const note = element("span", "note");
    note.textContent = row.note;
    link.append(note);
  }
  if ("selectable" in texts && !tile.querySelector(".pick")) {
    const pick = element("button", "pick");
    Object.assign(pick, { type: "button", tabIndex: -1 });
    pick.setAttribute("role", "checkbox");
    tile.append(pick);
  }
  tile.querySelector(".pick")?.setAttribute("aria-label", `${texts.textSelect}: ${row.alt}`);
}

/** Fetches the picture of a tile, with a blurred one in its place until it is there. */
export function show(tile, row) {
  const image = tile.querySelector("img");
  if (image.getAttribute("src") === row.picture) return;
  image.src = row.picture;
  if (image.complete && image.naturalWidth) return;
  image.classList.add("coming");
  const done = () => { image.classList.remove("coming"); tile.querySelector("canvas")?.remove(); };
  image.addEventListener("load", done, { once: true });
  image.addEventListener("error", done, { once: true });
}

/** The blurred picture of `row` as the ground of its tile, unless the picture itself is there. */
export function blur(tile, row) {
  const image = tile.querySelector("img");
  if (!row.placeholder || tile.querySelector("canvas") || (image.complete && image.naturalWidth)) return;
  const canvas = element("canvas");
  canvas.width = canvas.height = SIDE;
  canvas.setAttribute("aria-hidden", "true");
  const context = canvas.getContext("2d");
  const pixels = context.createImageData(SIDE, SIDE);
  if (!decode(row.placeholder, pixels.data)) return;
  context.putImageData(pixels, 0, 0);
  tile.prepend(canvas);
}

/** Icon, class, text for a screen reader, and words that stand before the icon. */
function marks_of(row) {
  const marks = [];
  if (row.kind === "video") marks.push(["play", "video", "textVideo", length_of(row.duration_s)]);
  if (row.badges.includes("motion")) marks.push(["motion", "motion", "textMotion"]);
  if (row.is_favourite) marks.push(["heart-filled", "favourite", "textFavourite"]);
  if (row.badges.includes("failed")) marks.push(["warning", "failed", "textFailed"]);
  if (row.badges.includes("no-preview")) marks.push(["image-off", "no-preview", "textNoPreview"]);
  return marks;
}

function length_of(seconds) {
  if (!seconds) return "";
  const whole = Math.round(seconds), two = (number) => String(number).padStart(2, "0");
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  return hours ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

function element(name, class_name = "") {
  const made = document.createElement(name);
  if (class_name) made.className = class_name;
  return made;
}

function drawing(name, sheet) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `${sheet}#${name}`);
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  svg.append(use);
  return svg;
}

/* BlurHash: a few cosine waves per color, in base 83. Source: the format at github.com/woltapp/blurhash. */
function decode(hash, data) {
  const number = (from, to) => [...hash.slice(from, to)].reduce((sum, digit) => sum * 83 + DIGITS.indexOf(digit), 0);
  const across = (number(0, 1) % 9) + 1, down = Math.floor(number(0, 1) / 9) + 1;
  if (hash.length !== 4 + 2 * across * down) return false;
  const most = (number(1, 2) + 1) / 166, mean = number(2, 6);
  const waves = [[mean >> 16, (mean >> 8) & 255, mean & 255].map(to_linear)];
  const strength = (level) => Math.sign(level - 9) * ((level - 9) / 9) ** 2 * most;
  for (let i = 1; i < across * down; i++) {
    const value = number(4 + i * 2, 6 + i * 2);
    waves.push([Math.floor(value / 361), Math.floor(value / 19) % 19, value % 19].map(strength));
  }
  for (let y = 0; y < SIDE; y++) {
    for (let x = 0; x < SIDE; x++) {
      const sum = [0, 0, 0];
      waves.forEach((wave, i) => {
        const height = Math.cos(Math.PI * (x + .5) / SIDE * (i % across)) * Math.cos(Math.PI * (y + .5) / SIDE * Math.floor(i / across));
        for (let color = 0; color < 3; color++) sum[color] += wave[color] * height;
      });
      const at = 4 * (y * SIDE + x);
      for (let color = 0; color < 3; color++) data[at + color] = to_srgb(sum[color]);
      data[at + 3] = 255;
    }
  }
  return true;
}

function to_linear(value) {
  const part = value / 255;
  return part <= .04045 ? part / 12.92 : ((part + .055) / 1.055) ** 2.4;
}

function to_srgb(value) {
  const part = Math.min(1, Math.max(0, value));
  return 255 * (part <= .0031308 ? part * 12.92 : 1.055 * part ** (1 / 2.4) - .055);
}
