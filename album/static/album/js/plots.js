// Draws <div data-plot="ID"> with uPlot from the JSON of <script id="ID">: {labels, data: [seconds, numbers, …]}.
// The same numbers stand in a table beside it, so a reader without eyes or scripts misses nothing.

const COLORS = ["--accent", "--ai"];
const HEIGHT_PX = 240;
const DAY_S = 86400;
const DAYS = [1, 2, 7, 14, 28].map((days) => days * DAY_S);
const MONTHS = [30, 60, 90, 180, 365, 730, 1825].map((days) => days * DAY_S); // uPlot's own lengths of months and years
const WHOLE = [1, 2, 5].flatMap((one) => Array.from({ length: 9 }, (_, power) => one * 10 ** power)).sort((a, b) => a - b);
const plots = new Map();

function draw(place) {
  const { labels, data } = JSON.parse(document.getElementById(place.dataset.plot).textContent);
  const style = getComputedStyle(place);
  const color = (name) => resolved(style.getPropertyValue(name));
  const axis = { stroke: color("--faint"), grid: { stroke: color("--line"), width: 1 }, ticks: { show: false } };
  const [named, ...others] = labels;
  const latest = (plot, known, number) => known ?? plot.data[number].at(-1); // until somebody points at another
  const value = (plot, known, number) => latest(plot, known, number)?.toLocaleString(document.documentElement.lang) ?? "–";
  const hasBars = "bars" in place.dataset;
  const series = others.map((label, number) => {
    const stroke = color(COLORS[number]);
    if (hasBars) return { label, value, stroke, fill: stroke, width: 0, paths: uPlot.paths.bars({ size: [0.7, 40] }), points: { show: false } };
    return { label, value, stroke, width: 2, fill: faded(stroke), points: { show: false } };
  });
  const margin_s = hasBars ? DAY_S / 2 : 0;
  const isMonth = place.dataset.dates === "month";
  const written = new Intl.DateTimeFormat(document.documentElement.lang || undefined, {
    timeZone: "UTC", year: "numeric", month: "short", ...(isMonth ? {} : { day: "numeric" }),
  });
  const when = (seconds) => written.format(new Date(seconds * 1000));
  plots.get(place)?.destroy();
  plots.set(place, new uPlot({
    width: place.clientWidth,
    height: HEIGHT_PX,
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
    series: [{ label: named, value: (plot, known) => when(latest(plot, known, 0)) }, ...series],
    axes: [
      { ...axis, space: 90, values: (_, ticks) => ticks.map(when), incrs: isMonth ? MONTHS : DAYS },
      { ...axis, size: 60, incrs: WHOLE, values: (_, ticks) => ticks.map((tick) => tick.toLocaleString(document.documentElement.lang)) },
    ],
    scales: { x: { range: (_, first, last) => [first - margin_s, last + margin_s] }, y: { range: (_, least, most) => [0, Math.max(most * 1.05, 4)] } },
    cursor: { drag: { x: false, y: false } },
    padding: [8, 28, 0, 0],
  }, data, place));
}

/** A color as the canvas knows it: light-dark() and var() are of the style sheet. */
function resolved(value) {
  const probe = document.createElement("span");
  probe.style.color = value;
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

function faded(color) {
  return color.replace(/^rgb\((.+)\)$/, "rgba($1, 0.16)");
}

function drawAll() {
  for (const place of document.querySelectorAll("[data-plot]")) draw(place);
}

drawAll();
addEventListener("resize", () => {
  for (const [place, plot] of plots) plot.setSize({ width: place.clientWidth, height: HEIGHT_PX });
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
