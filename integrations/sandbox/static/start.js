// "Start a flow": what can be started, and the form of one.
import { act, ask } from "./api.js";
import { busy } from "./blocks.js";
import { el, icon, showDialog, toast } from "./dom.js";
import { question } from "./inputs.js";

const ELEMENTS = {
  integer: { type: "number_input" },
  number: { type: "number_input" },
  date: { type: "datepicker" },
  time: { type: "timepicker" },
  datetime: { type: "datetimepicker" },
  email: { type: "email_text_input" },
  url: { type: "url_text_input" },
  json: { type: "plain_text_input", multiline: true },
  secret: { type: "plain_text_input", masked: true },
};

/** Open the panel as a person, at one flow if it is named. `navigate(flow or null)` keeps the address right. */
export async function openStart({ person, name, names, flow, navigate }) {
  const { flows } = await ask("/_sandbox/api/flows");
  let chosen = flows.find((each) => each.name === flow) ?? flows[0];
  const list = el("nav", { class: "flows", "aria-label": "Flows" });
  const pane = el("div", { class: "pane" });
  const dialog = el(
    "dialog",
    { class: "modal wide", "aria-labelledby": "start-title", "data-panel": "start" },
    el("header", {},
      el("h2", { id: "start-title" }, "Start a flow", el("span", { class: "as" }, ` as ${name}`)),
      el("button", { type: "button", class: "bare", "aria-label": "Close", onclick: () => dialog.close() }, icon("close"))),
    el("div", { class: "columns" }, list, pane),
    el("div", { class: "toasts", role: "status" }),
  );
  const draw = () => {
    list.replaceChildren(...flows.map((each) =>
      el("button", { type: "button", "aria-current": each === chosen ? "true" : null, "data-flow": each.name, onclick: () => choose(each) },
        el("strong", {}, each.title ?? each.name), each.description && el("span", {}, firstSentence(each.description)))));
    pane.replaceChildren(chosen ? form(chosen, { person, names, done: () => dialog.close() }) : el("p", {}, "There is nothing to start."));
  };
  const choose = (each) => {
    chosen = each;
    navigate(each.name);
    draw();
    list.querySelector("[aria-current]")?.focus();
  };
  draw();
  dialog.addEventListener("close", () => navigate(null));
  showDialog(dialog);
  pane.querySelector("input, select, textarea, button")?.focus();
  return dialog;
}

function form(flow, { person, names, done }) {
  let errors = {};
  let values = {};
  const node = el("form", { novalidate: true, "aria-label": flow.title ?? flow.name });
  let questions = [];
  const draw = () => {
    questions = flow.fields.map((field) => [field, question({
      label: field.label ?? readable(field.name),
      hint: field.description,
      optional: field.required === false || field.type === "boolean",
      error: errors[field.name],
      element: element(field),
      given: field.name in values ? values[field.name] : first(field),
      names,
    })]);
    const button = el("button", { type: "submit", class: "button primary" }, "Start");
    node.replaceChildren(el("div", {},
      el("h3", {}, flow.title ?? flow.name),
      flow.description && el("p", { class: "lead" }, flow.description),
      el("div", { class: "questions" }, questions.map(([, each]) => each.node)),
      errors[""] && el("p", { class: "error" }, errors[""]),
      button,
    ));
  };
  node.addEventListener("submit", (event) => {
    event.preventDefault();
    busy(node.querySelector("[type=submit]"), async () => {
      values = Object.fromEntries(questions.map(([field, each]) => [field.name, each.read()]));
      const given = Object.fromEntries(questions.map(([field, each]) => [field.name, sent(field, each.read())]));
      const answer = await act("start", { person, flow: flow.name, values: given });
      if (answer.errors) {
        errors = answer.errors;
        draw();
        questions.find(([field]) => field.name in errors)?.[1].focus();
      } else if (!answer.error) {
        done();
        const link = answer.url ? { url: answer.url, text: "Look at the run" } : null;
        toast(`${flow.title ?? flow.name} has started (${answer.run}).`, { link });
      }
    });
  });
  draw();
  return node;
}

function element(field) {
  const options = (field.options ?? []).map((each) => {
    const { value, label } = typeof each === "string" ? { value: each } : each;
    return { value, text: { type: "plain_text", text: label ?? value } };
  });
  switch (field.type) {
    case "select": return { type: "static_select", options };
    case "multiselect": return { type: "checkboxes", options };
    case "boolean": return { type: "checkboxes", options: [{ value: "yes", text: { type: "plain_text", text: "Yes" } }] };
    default: return ELEMENTS[field.type] ?? { type: "plain_text_input", multiline: field.multiline };
  }
}

/** The default in the form of a control. */
function first(field) {
  const value = field.default ?? null;
  if (field.type === "boolean") return value ? ["yes"] : [];
  if (field.type === "datetime" && typeof value === "string") return Date.parse(value) / 1000;
  if (field.type === "json" && value !== null) return JSON.stringify(value, null, 2);
  return Array.isArray(value) || value === null ? value : String(value);
}

/** What the control holds, in the form of the flow's input. */
function sent(field, value) {
  if (field.type === "boolean") return value.includes("yes");
  if (field.type === "datetime" && value !== null) return new Date(value * 1000).toISOString();
  return value;
}

const readable = (name) => (name.charAt(0).toUpperCase() + name.slice(1)).replaceAll("_", " ");
const firstSentence = (text) => /^.*?[.!?](?=\s|$)/s.exec(text)?.[0] ?? text;
