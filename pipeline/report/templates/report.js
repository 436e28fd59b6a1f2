"use strict";
(() => {
  const root = document.documentElement;
  root.classList.add("js");
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const by = (id) => document.getElementById(id);

  // Charts: each shows the numbers of its table.
  const data = JSON.parse(by("data").textContent);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  let drawn = [];

  // Stripes and dots distinguish stacked bars without colours.
  function fill(color, number, ground) {
    if (number === 0) return color;
    const tile = document.createElement("canvas");
    tile.width = tile.height = 8;
    const pen = tile.getContext("2d");
    pen.fillStyle = color;
    pen.fillRect(0, 0, 8, 8);
    pen.strokeStyle = pen.fillStyle = ground;
    pen.lineWidth = 1.6;
    pen.beginPath();
    if (number === 1) {
      for (const at of [-8, 0, 8]) { pen.moveTo(at, 8); pen.lineTo(at + 8, 0); }
      pen.stroke();
    } else {
      pen.arc(4, 4, 1.4, 0, 7);
      pen.fill();
    }
    return pen.createPattern(tile, "repeat");
  }

  const short = (text, length) => (text.length > length ? text.slice(0, length - 1) + "…" : text);

  function draw(chart) {
    const style = getComputedStyle(root);
    const color = (name) => style.getPropertyValue(name).trim();
    const canvas = by(chart.id);
    const rows = chart.vertical ? 8 : chart.labels.length;
    const legend = chart.series.length > 1;
    canvas.parentElement.style.height = `${rows * 28 + (legend ? 75 : 40)}px`;
    const narrow = canvas.parentElement.clientWidth < 480;
    const numbers = {
      stacked: true, beginAtZero: true, grid: { color: color("--line") }, border: { display: false },
      ticks: { color: color("--soft"), precision: 0, maxTicksLimit: 6 },
    };
    const names = {
      stacked: true, grid: { display: false }, border: { color: color("--edge") },
      ticks: chart.vertical
        ? { color: color("--soft"), maxRotation: 0, autoSkipPadding: 16 }
        : { color: color("--ink"), autoSkip: false, callback: (_, at) => short(chart.labels[at], narrow ? 20 : 30) },
    };
    return new Chart(canvas, {
      type: "bar",
      data: {
        labels: chart.labels,
        datasets: chart.series.map((one, number) => ({
          label: one.name, data: one.values, maxBarThickness: chart.vertical ? 64 : 22,
          backgroundColor: fill(color(["--a", "--b", "--c"][number]), number, color("--paper")),
          borderColor: color("--paper"), borderWidth: legend ? 1 : 0,
        })),
      },
      options: {
        indexAxis: chart.vertical ? "x" : "y",
        maintainAspectRatio: false,
        animation: false,
        interaction: { mode: "index", axis: chart.vertical ? "x" : "y", intersect: false },
        font: { family: style.fontFamily },
        scales: chart.vertical ? { x: names, y: numbers } : { x: numbers, y: names },
        plugins: { legend: { display: legend, position: "bottom", labels: { color: color("--ink"), boxWidth: 16 } } },
      },
    });
  }
  function drawAll() {
    drawn.forEach((chart) => chart.destroy());
    Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
    Chart.defaults.font.size = 13;
    drawn = data.charts.map(draw);
  }
  dark.addEventListener("change", drawAll);
  drawAll();

  // The filter: elements without a site or speaker stay visible.
  const site = by("site"), speaker = by("speaker"), more = document.querySelector(".more");
  const FEW = 12;
  let isShort = true;
  const has = (element, key, value) =>
    value === "" || element.dataset[key] === undefined || element.dataset[key].split(" ").includes(value);

  function filter() {
    for (const element of all("[data-sites]")) {
      element.hidden = !has(element, "sites", site.value) || !has(element, "speakers", speaker.value);
    }
    for (const mark of all("mark.quote")) mark.classList.toggle("chosen", speaker.value !== "" && mark.dataset.speaker === speaker.value);
    const counts = [];
    for (const [id, name] of [["articles", "articles"], ["quotes", "quotes"], ["problems", "reasons"]]) {
      const items = all(`[data-counted=${name}]`);
      const shown = items.filter((item) => !item.hidden);
      if (items.length) counts.push(`${shown.length} of ${items.length} ${items.length === 1 ? name.slice(0, -1) : name}`);
      const empty = document.querySelector(`#${id} .empty`);
      if (empty) empty.hidden = shown.length > 0 || items.length === 0;
      if (name === "quotes") {
        const cut = isShort && site.value === "" && speaker.value === "" && shown.length > FEW;
        if (cut) shown.slice(FEW).forEach((item) => { item.hidden = true; });
        more.hidden = !cut;
      }
    }
    by("found").textContent = site.value || speaker.value ? `Shown: ${counts.join(", ")}.` : `Filters ${counts.map((s) => s.replace(/^\d+ of /, "")).join(", ")}.`;
  }
  site.addEventListener("change", filter);
  speaker.addEventListener("change", filter);
  by("clear").addEventListener("click", () => { site.value = speaker.value = ""; filter(); });
  more.addEventListener("click", () => {
    isShort = false;
    filter();
    const next = all("[data-counted=quotes]")[FEW];
    next.tabIndex = -1;
    next.focus();
  });
  filter();

  // The speaker: a note next to the quote under the pointer, tapped or focused.
  const tip = by("tip");
  let shownFor = null;
  function show(mark) {
    if (shownFor === mark) return;
    shownFor = mark;
    tip.replaceChildren(...[...by(mark.getAttribute("aria-describedby")).childNodes].map((node) => node.cloneNode(true)));
    tip.hidden = false;
    place();
  }
  function place() {
    const lines = [...shownFor.getClientRects()];
    if (!lines.length) return hide();
    const [line, last] = [lines[0], lines.pop()];
    const size = tip.getBoundingClientRect();
    const above = line.top - size.height - 6;
    tip.style.left = `${Math.max(8, Math.min(line.left, innerWidth - size.width - 12))}px`;
    tip.style.top = `${above > 4 ? above : last.bottom + 6}px`;
  }
  function hide() {
    shownFor = null;
    tip.hidden = true;
  }
  const quoteAt = (event) => (event.target instanceof Element ? event.target.closest("mark[aria-describedby]") : null);
  const inTip = (node) => node instanceof Node && tip.contains(node);
  document.addEventListener("mouseover", (event) => {
    const mark = quoteAt(event);
    if (mark) show(mark);
    else if (!inTip(event.target) && !(shownFor && shownFor === document.activeElement)) hide();
  });
  document.addEventListener("focusin", (event) => { const mark = quoteAt(event); if (mark) show(mark); else hide(); });
  document.addEventListener("click", (event) => { const mark = quoteAt(event); if (mark) show(mark); else if (!inTip(event.target)) hide(); });
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });
  for (const moved of ["scroll", "resize"]) {
    addEventListener(moved, () => { if (shownFor === document.activeElement) place(); else hide(); }, { passive: true });
  }
})();
