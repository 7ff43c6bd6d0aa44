// Draws every chart of the page and follows the reader's light or dark setting. Asks the network for nothing.
"use strict";
(function () {
  const colours = () => {
    const style = getComputedStyle(document.documentElement);
    const read = (name) => style.getPropertyValue(name).trim();
    return { ink: read("--soft"), grid: read("--grid"), card: read("--card"), strong: read("--ink") };
  };
  const themed = (layout) => {
    const c = colours();
    const copy = structuredClone(layout);
    copy.font = { family: getComputedStyle(document.body).fontFamily, size: 12.5, color: c.ink };
    copy.hoverlabel = { ...copy.hoverlabel, bgcolor: c.card, bordercolor: c.grid, font: { color: c.strong, size: 12.5 } };
    for (const key of Object.keys(copy)) {
      if (/^[xy]axis/.test(key)) Object.assign(copy[key], { gridcolor: c.grid, tickcolor: c.grid });
    }
    for (const note of copy.annotations || []) {
      if (!note.font || !note.font.color) note.font = { size: 13, color: c.strong };
    }
    return copy;
  };
  const config = { displaylogo: false, responsive: true, displayModeBar: false };
  const draw = () => {
    for (const box of document.querySelectorAll(".chart")) {
      const figure = JSON.parse(document.getElementById(box.id + "-data").textContent);
      Plotly.react(box, figure.data, themed(figure.layout), config);
    }
  };
  draw();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
})();
