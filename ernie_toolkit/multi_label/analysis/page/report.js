"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const at = (id) => document.getElementById(id);
  const STEP = 50;
  const SHOWN = 20;
  const FIGURES = ["precision", "recall", "f1"];

  // Texts of the data never become markup: everything goes through textContent.
  function make(tag, text, className) {
    const item = document.createElement(tag);
    if (text !== undefined) item.textContent = text;
    if (className) item.className = className;
    return item;
  }
  function draw(tag, attributes, text) {
    const item = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) item.setAttribute(name, value);
    if (text !== undefined) item.textContent = text;
    return item;
  }
  const percent = (value) => (100 * value).toFixed(1);
  // Two digits that count: a threshold of 0.004 is not 0.00.
  const level = (value) => (value < 0.1 ? String(Number(value.toPrecision(2))) : value.toFixed(2));
  function choices(select, entries) {
    for (const [value, text] of entries) {
      const option = make("option", text);
      option.value = value;
      select.append(option);
    }
  }

  function head() {
    at("about").textContent = `${data.about.model} on ${data.about.data}: ${data.sizes.train} training rows, ` +
      `${data.sizes.dev} dev rows, ${data.names.length} labels`;
    const absent = data.labels.filter((row) => !row.dev).map((row) => row.name);
    if (absent.length) {
      const more = absent.length > SHOWN ? ` and ${absent.length - SHOWN} more` : "";
      at("about").textContent += "; labels without a dev row, which count in macro figures only where they are given: " +
        absent.slice(0, SHOWN).join(", ") + more;
    }
    for (const text of data.about.warnings) at("warnings").append(make("p", text, "warning"));
    const tiles = [["micro F1", data.total.micro_f1], ["macro F1", data.total.macro_f1],
      ["rows all right", data.total.accuracy], ["micro precision", data.total.micro_precision],
      ["micro recall", data.total.micro_recall]];
    for (const [name, value] of tiles) {
      const tile = make("div", undefined, "tile");
      tile.append(make("b", `${percent(value)}%`), make("span", `${name}, dev`));
      at("tiles").append(tile);
    }
  }

  function labelTable() {
    const body = document.querySelector("#labels tbody");
    const buttons = [...document.querySelectorAll("#labels th button")];
    let key = "dev";
    let down = true;
    function show() {
      const rows = [...data.labels].sort((a, b) => {
        const order = key === "name" ? a.name.localeCompare(b.name, "zh") : a[key] - b[key];
        return down ? -order : order;
      });
      for (const button of buttons) button.setAttribute("aria-pressed", String(button.dataset.key === key));
      body.replaceChildren(...rows.map((row) => {
        const line = make("tr");
        const bar = make("div", undefined, "bar");
        const track = make("div", undefined, "track");
        const fill = make("i");
        fill.style.width = `${100 * row.f1}%`;
        track.append(fill);
        bar.append(track, make("span", percent(row.f1)));
        const cell = make("td", undefined, "wide");
        cell.append(bar);
        line.append(make("td", row.name), cell, make("td", percent(row.precision)), make("td", percent(row.recall)),
          make("td", String(row.dev)), make("td", String(row.train)), make("td", level(row.threshold)));
        return line;
      }));
    }
    for (const button of buttons) {
      button.addEventListener("click", () => {
        down = button.dataset.key === key ? !down : button.dataset.key !== "name";
        key = button.dataset.key;
        show();
      });
    }
    show();
  }

  function curveValues(which, figure) {
    return ["micro", "macro"].includes(which) ? data.curve[`${which}_${figure}`]
      : data.curve[figure].map((values) => values[Number(which)]);
  }

  function curves() {
    const select = at("curve-of");
    choices(select, [["micro", "all labels, micro"], ["macro", "labels that occur, macro"],
      ...data.names.map((name, index) => [String(index), name])]);
    const [width, height, left, bottom, top] = [640, 270, 36, 30, 12];
    const x = (value) => left + value * (width - left - 12);
    const y = (value) => height - bottom - value * (height - bottom - top);
    function show() {
      const which = select.value;
      const picture = draw("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "data-of": which });
      picture.append(draw("title", {}, "precision, recall and F1 against the threshold"));
      for (const value of [0, 0.25, 0.5, 0.75, 1]) {
        picture.append(draw("line", { class: "grid", x1: x(0), x2: x(1), y1: y(value), y2: y(value) }),
          draw("text", { x: left - 6, y: y(value) + 4, "text-anchor": "end" }, String(100 * value)),
          draw("text", { x: x(value), y: height - 10, "text-anchor": "middle" }, String(value)));
      }
      FIGURES.forEach((figure, number) => {
        const points = curveValues(which, figure).map((value, index) => `${x(data.curve.threshold[index]).toFixed(1)},` +
          y(value).toFixed(1));
        picture.append(draw("polyline", { class: `curve ${figure}`, points: points.join(" ") }),
          draw("text", { class: `key ${figure}`, x: x(0) + 8 + number * 78, y: y(0) - 8 }, figure === "f1" ? "F1" : figure));
      });
      const f1 = curveValues(which, "f1");
      const best = f1.indexOf(Math.max(...f1));
      let text = `Best F1 ${percent(f1[best])} at ${data.curve.threshold[best].toFixed(2)}`;
      if (!["micro", "macro"].includes(which)) {
        const own = data.labels[Number(which)].threshold;
        picture.append(draw("line", { class: "own", x1: x(own), x2: x(own), y1: y(0), y2: y(1) }));
        text += `; the model's own threshold is ${level(own)}, F1 ${percent(data.labels[Number(which)].f1)}`;
      }
      at("curve").replaceChildren(picture);
      at("curve-at").textContent = `${text}.`;
    }
    select.addEventListener("change", show);
    show();
  }

  function matrix() {
    const select = at("matrix-of");
    function show() {
      const counts = data[select.value];
      let top = 1;
      counts.forEach((row, i) => row.forEach((value, j) => {
        if (i !== j || select.value === "confusion") top = Math.max(top, value);
      }));
      const first = make("tr");
      first.append(make("th"), ...data.names.map((name) => make("th", name)));
      const heading = make("thead");
      heading.append(first);
      const body = make("tbody");
      counts.forEach((row, i) => {
        const line = make("tr");
        line.append(make("th", data.names[i]), ...row.map((value, j) => {
          const cell = make("td", value ? String(value) : "");
          cell.style.background = `rgba(var(--heat), ${Math.min(0.85, 0.85 * value / top)})`;
          cell.tabIndex = 0;
          const tell = () => { at("matrix-at").textContent = sentence(i, j, value); };
          cell.addEventListener("mouseenter", tell);
          cell.addEventListener("focus", tell);
          return cell;
        }));
        body.append(line);
      });
      at("matrix").replaceChildren(heading, body);
      at("matrix-at").textContent = "Point at a cell to read it.";
    }
    function sentence(i, j, value) {
      const [a, b] = [data.names[i], data.names[j]];
      if (select.value === "confusion") return `${value} dev row(s) have ${a}, which was missed, and were given ${b}.`;
      return i === j ? `${value} row(s) have ${a}.` : `${value} row(s) have both ${a} and ${b}.`;
    }
    select.addEventListener("change", show);
    show();
  }

  function cases() {
    choices(at("case-label"), [["", "any"], ...data.names.map((name, index) => [String(index), name])]);
    let shown = STEP;
    const orders = {
      worst: (a, b) => b.worst - a.worst,
      count: (a, b) => b.missed.length + b.surplus.length - a.missed.length - a.surplus.length || b.worst - a.worst,
      row: (a, b) => a.row - b.row,
      text: (a, b) => a.text.localeCompare(b.text, "zh"),
    };
    function wanted() {
      const text = at("search").value.trim().toLowerCase();
      const label = at("case-label").value;
      const kind = at("case-kind").value;
      return data.cases.filter((item) => {
        const places = kind === "any" ? [...item.missed, ...item.surplus] : item[kind];
        return item.text.toLowerCase().includes(text) && (label === "" ? places.length > 0 : places.includes(Number(label)));
      }).sort(orders[at("case-order").value]);
    }
    function show() {
      const found = wanted();
      at("case-count").textContent = `${found.length} of ${data.cases.length} wrong rows`;
      at("cases").replaceChildren(...found.slice(0, shown).map((item) => {
        const line = make("li");
        const chips = make("div");
        for (const place of item.gold) {
          const missed = item.missed.includes(place);
          chips.append(make("span", (missed ? "missed: " : "") + data.names[place], missed ? "chip missed" : "chip"));
        }
        for (const place of item.surplus) chips.append(make("span", `surplus: ${data.names[place]}`, "chip surplus"));
        line.append(make("p", item.text), chips,
          make("span", `row ${item.row + 1}, ${percent(item.worst)} points beyond the threshold`, "meta"));
        return line;
      }));
      at("more").hidden = found.length <= shown;
    }
    for (const id of ["search", "case-label", "case-kind", "case-order"]) {
      at(id).addEventListener("input", () => { shown = STEP; show(); });
    }
    at("more").addEventListener("click", () => { shown += STEP; show(); });
    show();
  }

  head();
  labelTable();
  curves();
  matrix();
  cases();
})();
