// Runs in a page that shows each report in a frame of its own, unchanged, its policy on scripts
// included. A frame has the width that a window can't have in a headless browser, and its
// `color-scheme` is what the report takes for the reader's.
"use strict";

/** Colours as [r, g, b, alpha], whatever notation the browser gives them in. */
const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
const known = new Map();
function rgba(color) {
  if (!known.has(color)) {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    known.set(color, [r, g, b, a / 255]);
  }
  return known.get(color);
}

function over([r, g, b, a], below) {
  return [r, g, b].map((c, i) => c * a + below[i] * (1 - a));
}

/** Relative luminance and contrast ratio as in WCAG 2.2. */
function luminance(color) {
  const [r, g, b] = color.map((c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}
function ratio(a, b) {
  const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y);
  return (high + 0.05) / (low + 0.05);
}

function visible(element) {
  return element.checkVisibility({ contentVisibilityAuto: true, opacityProperty: true, visibilityProperty: true });
}
const short = (text) => text.trim().replace(/\s+/g, " ").slice(0, 60);

/** A folded part, what it is called and what is in it. */
function parts(page) {
  return [...page.querySelectorAll("details")].map((details) => {
    const summary = details.querySelector("summary");
    const inside = [...details.children].filter((e) => e !== summary);
    return { details, summary, inside, label: short(summary ? summary.textContent : "no summary") };
  });
}

/** Opens what is folded, as a reader would. */
function unfold(frame) {
  const problems = [];
  for (const { details, summary, inside, label } of parts(frame.contentWindow.document)) {
    if (details.open) continue;
    if (inside.some(visible)) problems.push(`folded: "${label}" shows what it should hide`);
    if (summary) summary.click();
    if (!details.open) problems.push(`folded: "${label}" does not open`);
  }
  return problems;
}

function measure(frame, dark) {
  const view = frame.contentWindow;
  const page = view.document;
  const style = (element, part) => view.getComputedStyle(element, part);
  const problems = [];
  const name = (element) => {
    const label = element.getAttribute("class");
    return element.tagName.toLowerCase() + (label ? "." + label.replace(/ /g, ".") : "");
  };

  if (view.matchMedia("(prefers-color-scheme: dark)").matches !== dark) problems.push("scheme: the other one is shown");
  if (view.innerWidth !== frame.clientWidth) problems.push(`width: ${view.innerWidth}`);

  const folded = parts(page);
  for (const { inside, label } of folded) {
    const shown = inside.filter((e) => visible(e) && e.getBoundingClientRect().height > 0 && e.textContent.trim());
    if (!shown.length) problems.push(`folded: "${label}" has nothing in it`);
  }

  const charts = [...page.querySelectorAll("svg:not(.key)")];
  for (const chart of charts) {
    const label = short(chart.getAttribute("aria-label") || "unnamed");
    const table = chart.closest("figure")?.querySelector("table");
    const rows = table ? table.querySelectorAll("tbody tr").length : 0;
    if (rows < Math.max(1, chart.querySelectorAll("text.name").length)) problems.push(`chart: "${label}" has no table, or a shorter one`);
    if (!visible(chart) || chart.getBoundingClientRect().width < 200) problems.push(`chart: "${label}" can't be seen`);
    // Names stay left of the plot, values right of it, all within the drawing.
    const grid = chart.querySelector(".grid")?.getBBox();
    for (const text of chart.querySelectorAll("text")) {
      const box = text.getBBox();
      const [left, right] = [box.x, box.x + box.width];
      const beside = !grid || !text.matches(".name, .value") || right <= grid.x || left >= grid.x + grid.width;
      if (!beside || left < -1 || right > chart.viewBox.baseVal.width + 1) problems.push(`chart: "${short(text.textContent)}" runs into the plot or out of it`);
    }
  }

  const room = page.documentElement.clientWidth;
  if (page.documentElement.scrollWidth > room) {
    const wide = [...page.body.querySelectorAll("*")].filter(
      (e) => e.getBoundingClientRect().right > room + 0.5 && !e.parentElement.closest(".scroll"));
    problems.push(`overflow: ${page.documentElement.scrollWidth} px in ${room}: ${wide.slice(-3).map(name).join(", ")}`);
  }

  /** What is painted behind the text of an element. */
  const behind = (element) => {
    const layers = [];
    for (let e = element; e; e = e.parentElement) {
      const own = style(e);
      if (own.backgroundImage !== "none") problems.push(`contrast: ${name(e)} has an image behind text`);
      layers.push(rgba(own.backgroundColor));
    }
    const canvas = dark ? [18, 18, 18] : [255, 255, 255];
    return layers.reduceRight((below, layer) => over(layer, below), canvas);
  };
  let texts = 0;
  let least = Infinity;
  const legible = (element, part, text) => {
    const own = style(element, part);
    const drawn = element instanceof view.SVGElement;
    let [r, g, b, alpha] = rgba(drawn ? own.fill : own.color);
    if (drawn) alpha *= Number(own.fillOpacity);
    for (let e = element; e; e = e.parentElement) alpha *= Number(style(e).opacity);
    const ground = behind(element);
    const scale = drawn ? element.getScreenCTM().a : 1;
    const size = parseFloat(own.fontSize) * scale;
    const large = size >= 24 || (size >= 18.66 && Number(own.fontWeight) >= 700);
    const found = ratio(over([r, g, b, alpha], ground), ground);
    texts += 1;
    least = Math.min(least, found);
    if (found < (large ? 3 : 4.5)) problems.push(`contrast: ${found.toFixed(2)} of "${short(text)}" in ${name(element)}`);
  };
  const unpainted = "title, desc, style, script, defs";
  const walker = page.createTreeWalker(page.body, view.NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    // What is there for screen readers alone has no size.
    if (!walker.currentNode.data.trim() || element.closest(unpainted) || element.closest(".hidden")) continue;
    if (visible(element)) legible(element, null, walker.currentNode.data);
  }
  for (const element of page.body.querySelectorAll("*")) {
    for (const part of ["::before", "::after"]) {
      const content = style(element, part).content;
      if (content !== "none" && content !== "normal" && visible(element)) legible(element, part, content);
    }
  }
  // Markers too must stand out, by 3 to 1; lines that only join them need not.
  for (const mark of page.querySelectorAll("svg .f, svg .h, svg .whisker")) {
    const own = style(mark);
    const ground = behind(mark);
    const found = ratio(over(rgba(own.fill === "none" ? own.stroke : own.fill), ground), ground);
    if (found < 3) problems.push(`contrast: ${found.toFixed(2)} of a marker in ${name(mark.closest("svg, g"))}`);
  }
  return {
    problems: [...new Set(problems)], texts, least, charts: charts.length, folded: folded.length,
    title: page.title, heading: page.querySelector("h1").innerText, gate: page.querySelector(".gate")?.innerText ?? null,
  };
}

/** Once every frame is there: unfold all, let the browser lay them out again, then measure. */
addEventListener("load", () => {
  const frames = [...document.querySelectorAll("iframe")];
  const tried = (frame, step) => {
    try {
      return step(frame);
    } catch (error) {
      return { problems: [`script: ${error}`] };
    }
  };
  const opened = frames.map((frame) => tried(frame, (f) => ({ problems: unfold(f) })).problems);
  setTimeout(() => {
    const results = frames.map((frame, i) => {
      const seen = tried(frame, (f) => measure(f, f.style.colorScheme === "dark"));
      return { ...seen, problems: [...opened[i], ...seen.problems] };
    });
    // JSON without a character that HTML would write otherwise.
    const escaped = (c) => "\\u" + c.charCodeAt(0).toString(16).padStart(4, "0");
    document.getElementById("result").textContent = JSON.stringify(results).replace(/[^ -~]|[<>&]/g, escaped);
  }, 500);
});
