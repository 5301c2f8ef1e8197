// Answers as elements. Text of a user only ever becomes a text node. Positions count code points, not UTF-16 units.

const HUES = { PER: 212, ORG: 276, LOC: 142, TIME: 28, DATE: 28 };

export function element(name, className = "", text = "") {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text) made.textContent = text;
  return made;
}

const percent = (value) => `${(100 * value).toFixed(1)}%`;

function hueOf(kind) {
  if (kind in HUES) return HUES[kind];
  let sum = 0;
  for (const letter of kind) sum = (sum * 31 + letter.codePointAt(0)) % 360;
  return sum;
}

function bars(rows) {
  const list = element("ol", "bars");
  for (const [index, { name, note, value, top = index === 0 }] of rows.entries()) {
    const item = element("li", top ? "top" : "");
    const line = element("div", "name");
    const title = element("span", "", name);
    if (note) title.append(" ", element("span", "hint", note));
    line.append(title, element("span", "", percent(value)));
    const track = element("div", "track");
    track.setAttribute("aria-hidden", "true");
    const fill = element("div", "fill");
    fill.style.width = percent(value);
    track.append(fill);
    item.append(line, track);
    list.append(item);
  }
  return list;
}

function classification(result) {
  return [
    bars(
      result.top[0].map((entry) => ({
        // A number alone says nothing of what it is.
        name: /^\d+$/.test(entry.label_name) ? `标签 ${entry.label_name}` : entry.label_name,
        note: entry.label_name === entry.label_id ? "" : entry.label_id,
        value: entry.confidence,
      })),
    ),
  ];
}

function labelSets(result) {
  const entries = result.top[0];
  const shown = (chosen) =>
    entries
      .filter((entry) => entry.chosen === chosen)
      .map((entry) => ({
        name: entry.label_name,
        note: `阈值 ${percent(entry.threshold)}`,
        value: entry.confidence,
        top: chosen,
      }));
  const [labels, others] = [shown(true), shown(false)];
  const parts = [labels.length ? bars(labels) : element("p", "hint", "没有标签高于阈值（no label above its threshold）")];
  if (others.length) parts.push(element("p", "sub", "未达到阈值的标签（labels below their thresholds）"), bars(others));
  return parts;
}

function marked(text, spans) {
  const characters = Array.from(text);
  const paragraph = element("p", "text");
  let done = 0;
  for (const { start, end, kind } of spans) {
    paragraph.append(characters.slice(done, start).join(""));
    const mark = element("mark", kind ? "entity" : "", characters.slice(start, end).join(""));
    if (kind) {
      mark.style.setProperty("--hue", hueOf(kind));
      mark.append(element("span", "kind", kind));
    }
    paragraph.append(mark);
    done = end;
  }
  paragraph.append(characters.slice(done).join(""));
  return paragraph;
}

function tagging(result, [text]) {
  const entities = result.value[0];
  const spans = entities.map((item) => ({ start: item.pos[0], end: item.pos[1] + 1, kind: item.label }));
  const parts = [marked(text, spans)];
  if (!entities.length) {
    parts.push(element("p", "hint", "没有找到实体（no entity found）"));
    return parts;
  }
  const list = element("ul", "legend");
  for (const item of entities) {
    const row = element("li");
    const kind = element("span", "kind", item.label);
    kind.style.setProperty("--hue", hueOf(item.label));
    row.append(kind, element("span", "", item.entity), element("span", "value", percent(item.confidence)));
    list.append(row);
  }
  parts.push(list);
  return parts;
}

function answering(result, [, context]) {
  const best = element("p", "answer-text", result.answer[0] || "没有答案");
  best.append(element("span", "hint", percent(result.confidence[0])));
  const span = { start: result.start[0], end: result.end[0] };
  const shown = marked(context, span.end > span.start ? [span] : []);
  shown.classList.add("context");
  shown.tabIndex = 0;
  const candidates = result.n_best[0].slice(0, 3).map((item) => ({ name: item.text, value: item.confidence }));
  const parts = [best, element("p", "sub", "答案在原文中的位置（in context）"), shown];
  if (candidates.length > 1) parts.push(element("p", "sub", "候选答案（candidates）"), bars(candidates));
  return parts;
}

function choosing(result) {
  const [chosen, probabilities] = [result.index[0], result.probabilities[0]];
  const best = element("p", "answer-text", result.choice[0]);
  best.append(element("span", "hint", percent(result.confidence[0])));
  const rows = result.choices[0].map((name, index) => ({ name, value: probabilities[index], top: index === chosen }));
  return [best, element("p", "sub", "各选项的概率（choices）"), bars(rows)];
}

// A long context is a box that scrolls: bring the answer to its middle. What is shown must stand in the page already.
export function reveal(shown) {
  const box = shown.querySelector(".context");
  const mark = box && box.querySelector("mark");
  if (!mark) return;
  const [inner, outer] = [mark.getBoundingClientRect(), box.getBoundingClientRect()];
  box.scrollTop += inner.top - outer.top - Math.max(0, (box.clientHeight - inner.height) / 2);
}

// Of a task without a view of its own: each field of the result and its value.
function plain(result) {
  return Object.entries(result).map(([name, values]) => element("p", "text", `${name}: ${JSON.stringify(values[0])}`));
}

export const VIEWS = {
  seq_cls: classification, token_cls: tagging, qa: answering, multi_label: labelSets,
  multiple_choice: choosing, other: plain,
};
