// The form: asks the service of this page's own address, shows its answer or its reason.

import { VIEWS, element, reveal } from "./view.js";

const FIELDS = {
  text: ["文本", "text", 3],
  question: ["问题", "question", 1],
  context: ["原文", "context", 5],
  choices: ["选项（每行一个）", "choices, one a line", 4],
};
const PAIR = [["文本一", "first text", 2], ["文本二", "second text", 2]];

const PLACES = ["first", "second", "third"];

const at = (id) => document.getElementById(id);
let about = null;

function inputs() {
  return about.fields.map((_, index) => at(PLACES[index]));
}

function fail(reason) {
  at("error").textContent = reason;
  at("error").hidden = !reason;
  for (const place of PLACES) at(place).setAttribute("aria-invalid", String(Boolean(reason)));
}

const lines = (text) => text.split("\n").filter((line) => line.trim());

function dataOf(texts) {
  const value = (name, text) => (name === "choices" ? lines(text) : text);
  return Object.fromEntries(about.fields.map((name, index) => [name, [value(name, texts[index])]]));
}

// A question may be left out where there are choices.
const needed = (name) => name !== "question" || !about.fields.includes("choices");

async function ask(texts) {
  const response = await fetch(about.path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ data: dataOf(texts) }),
  });
  const answer = await response.json();
  if (!response.ok) throw new Error(`${answer.detail}（HTTP ${response.status}）`);
  return answer.result;
}

async function predict() {
  if (at("send").disabled) return;
  const fields = inputs();
  const empty = fields.find((field, index) => needed(about.fields[index]) && !field.value.trim());
  if (empty) {
    fail("请先输入文本。Please type a text first.");
    empty.focus();
    return;
  }
  fail("");
  at("send").disabled = true;
  at("result").setAttribute("aria-busy", "true");
  const texts = fields.map((field) => field.value);
  const started = performance.now();
  try {
    const result = await ask(texts);
    at("answer").replaceChildren(...(VIEWS[about.task] || VIEWS.other)(result, texts));
    at("time").textContent = `用时 ${Math.round(performance.now() - started)} ms`;
    at("raw").textContent = JSON.stringify({ result }, null, 2);
    at("result").hidden = false;
    reveal(at("answer"));
    at("result").scrollIntoView({ block: "nearest" });
  } catch (error) {
    at("result").hidden = true;
    fail(error instanceof TypeError ? "无法连接服务，请稍后再试。The service cannot be reached." : error.message);
  } finally {
    at("send").disabled = false;
    at("result").setAttribute("aria-busy", "false");
  }
}

function addExamples() {
  for (const texts of about.examples) {
    // What is asked: both texts of a pair, or a question and the beginning of its context.
    const button = element("button", "", texts.slice(0, 2).join(" ｜ "));
    button.type = "button";
    button.title = texts.flat().join(" | ");
    button.addEventListener("click", () => {
      inputs().forEach((field, index) => { field.value = [texts[index]].flat().join("\n"); });
      predict();
    });
    at("examples").append(button);
  }
}

function setUp() {
  const [title, english] = about.title;
  at("title").textContent = `ERNIE 3.0 ${title}`;
  document.title = `${title} ${english}`;
  const facts = [about.dataset, about.engine, about.precision.toUpperCase(), `最长 ${about.max_seq_len} tokens`, english];
  // A narrow window breaks the line between the facts, not within one.
  at("about").textContent = facts.map((fact) => fact.replaceAll(" ", "\u00a0")).join(" · ");
  if (about.warnings.length) {
    if (about.sample) {
      at("warnings-label").textContent = "样例模型，仅供试用";
      at("warnings-hint").textContent = "trained on sample data";
    }
    at("warnings-list").replaceChildren(...about.warnings.map((warning) => element("li", "", warning)));
    at("warnings").hidden = false;
  }
  const labels = about.fields.includes("text_pair") ? PAIR : about.fields.map((name) => FIELDS[name]);
  PLACES.forEach((name, index) => {
    at(`${name}-field`).hidden = index >= labels.length;
    if (index >= labels.length) return;
    const [label, hint, rows] = labels[index];
    at(`${name}-label`).textContent = label;
    at(`${name}-hint`).textContent = hint;
    at(name).rows = rows;
  });
  addExamples();
  at("send").disabled = false;
}

at("form").addEventListener("submit", (event) => { event.preventDefault(); predict(); });
at("form").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); predict(); }
});
at("clear").addEventListener("click", () => {
  inputs().forEach((field) => { field.value = ""; });
  fail("");
  at("result").hidden = true;
  at("first").focus();
});

try {
  const response = await fetch("info");
  if (!response.ok) throw new Error(`HTTP ${response.status}`);
  about = await response.json();
  setUp();
} catch (error) {
  fail(`无法读取服务信息（${error.message}），请刷新页面。Reload the page.`);
}
