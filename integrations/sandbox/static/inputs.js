// What can be filled in: Block Kit's input elements as the browser's own controls.
import { el, newId } from "./dom.js";
import { partsOf, textNodes } from "./text.js";

const TYPED = { plain_text_input: "text", number_input: "text", email_text_input: "email", url_text_input: "url" };
const PICKED = { datepicker: "date", timepicker: "time", datetimepicker: "datetime-local" };

/**
 * A control for one element: {node, read, focus}. `read()` gives what the sandbox takes: text, an option's value, a list of
 * values, a date, a time, or seconds since 1970; null where there is nothing.
 *
 * `given` is what it starts with, in the same form. `naming` are the aria attributes of whatever it is called by.
 */
export function control(element, given, { names, naming = {}, changed = null, suggest = null }) {
  const make = TYPED[element.type] ? typed : PICKED[element.type] ? picked : CHOICES[element.type];
  if (!make) {
    const node = el("p", { class: "unknown" }, `This page cannot show a ${element.type}.`);
    return { node, read: () => null, focus: () => {} };
  }
  const made = make(element, given, { names, naming, suggest });
  if (changed) made.node.addEventListener("change", () => changed(made.read()));
  return made;
}

/** What an element holds: its state where the person has used it, else its initial value. In the form of `read()`. */
export function held(element, state) {
  const values = (options) => (options ?? []).map((option) => option.value);
  switch (element.type) {
    case "external_select": return (state ? state.selected_option : element.initial_option) ?? null;
    case "static_select":
    case "radio_buttons": return (state ? state.selected_option : element.initial_option)?.value ?? null;
    case "multi_static_select":
    case "checkboxes": return values(state ? state.selected_options : element.initial_options);
    case "datepicker": return (state ? state.selected_date : element.initial_date) ?? null;
    case "timepicker": return (state ? state.selected_time : element.initial_time) ?? null;
    case "datetimepicker": return (state ? state.selected_date_time : element.initial_date_time) ?? null;
    case "users_select": return (state ? state.selected_user : element.initial_user) ?? null;
    case "multi_users_select": return (state ? state.selected_users : element.initial_users) ?? [];
    case "conversations_select": return (state ? state.selected_conversation : element.initial_conversation) ?? null;
    case "multi_conversations_select": return (state ? state.selected_conversations : element.initial_conversations) ?? [];
    case "channels_select": return (state ? state.selected_channel : element.initial_channel) ?? null;
    case "multi_channels_select": return (state ? state.selected_channels : element.initial_channels) ?? [];
    default: return (state ? state.value : element.initial_value) ?? null;
  }
}

function typed(element, given, { naming }) {
  const shared = {
    class: "field",
    placeholder: element.placeholder?.text,
    maxlength: element.type === "plain_text_input" ? element.max_length : null,
    ...naming,
  };
  const node = element.multiline
    ? el("textarea", { ...shared, rows: 4 })
    : el("input", {
        ...shared,
        type: element.masked ? "password" : TYPED[element.type],
        inputmode: element.type === "number_input" ? "decimal" : null,
        autocomplete: "off",
      });
  node.value = given ?? "";
  return { node, read: () => node.value || null, focus: () => node.focus() };
}

function picked(element, given, { naming }) {
  const node = el("input", { class: "field short", type: PICKED[element.type], ...naming });
  const instant = element.type === "datetimepicker";
  node.value = given === null || given === undefined ? "" : instant ? localText(given) : given;
  const read = () => (!node.value ? null : instant ? instantOf(node.value) : node.value);
  return { node, read, focus: () => node.focus() };
}

/** Seconds since 1970 as `datetime-local` writes them, in the reader's own time zone. */
function localText(seconds) {
  const { year, month, day, hour, minute } = partsOf(new Date(seconds * 1000));
  const [wide, ...rest] = [year, month, day, hour, minute].map((part) => String(part).padStart(2, "0"));
  return `${wide.padStart(4, "0")}-${rest[0]}-${rest[1]}T${rest[2]}:${rest[3]}`;
}

/** The other way round. Twice, because the offset may be another one at the moment that the first guess hits. */
function instantOf(text) {
  const wanted = Date.parse(`${text}Z`);
  const shown = (at) => {
    const { year, month, day, hour, minute } = partsOf(new Date(at));
    return Date.UTC(year, month - 1, day, hour, minute);
  };
  const guess = wanted - (shown(wanted) - wanted);
  return Math.floor((guess - (shown(guess) - wanted)) / 1000);
}

/** A menu whose options the bot offers while one types. */
function searched(element, given, { naming, suggest }) {
  const id = newId("offers");
  const offers = el("datalist", { id });
  const node = el("input", { class: "field", type: "text", list: id, autocomplete: "off", placeholder: element.placeholder?.text, ...naming });
  let known = given ? [given] : [];
  node.value = given?.text.text ?? "";
  const load = async () => {
    if (!suggest || node.value.length < (element.min_query_length ?? 3)) return;
    const answer = await suggest(node.value);
    known = answer.options ?? [];
    offers.replaceChildren(...known.map((each) => el("option", { value: each.text.text })));
  };
  node.addEventListener("input", load);
  node.addEventListener("focus", load);
  const read = () => known.find((each) => each.text.text === node.value) ?? null;
  return { node: el("div", {}, node, offers), read, focus: () => node.focus() };
}

const CHOICES = {
  static_select: (element, given, how) => menu(element, given, how, grouped(element)),
  users_select: (element, given, how) => menu(element, given, how, [{ options: users(how.names) }]),
  channels_select: (element, given, how) => menu(element, given, how, [{ options: channels(how.names) }]),
  external_select: searched,
  multi_channels_select: (element, given, how) => ticks("checkbox", channels(how.names), given ?? [], how, "boxed"),
  multi_conversations_select: (element, given, how) => ticks("checkbox", channels(how.names), given ?? [], how, "boxed"),
  conversations_select: (element, given, how) => menu(element, given, how, [{ options: channels(how.names) }]),
  radio_buttons: (element, given, how) => ticks("radio", element.options, given === null ? [] : [given], how),
  checkboxes: (element, given, how) => ticks("checkbox", element.options, given ?? [], how),
  multi_static_select: (element, given, how) =>
    ticks("checkbox", grouped(element).flatMap((group) => group.options), given ?? [], how, "boxed"),
  multi_users_select: (element, given, how) => ticks("checkbox", users(how.names), given ?? [], how, "boxed"),
};

const option = (text, value) => ({ text: { type: "plain_text", text }, value });
const people = (names) => Object.entries(names.users).filter(([, user]) => !user.bot);
const users = (names) => people(names).map(([id, user]) => option(user.real_name, id));
const channels = (names) => Object.entries(names.channels).map(([id, name]) => option(`#${name}`, id));
const grouped = (element) => element.option_groups ?? [{ options: element.options ?? [] }];

function menu(element, given, { names, naming }, groups) {
  const entry = (each) => el("option", { value: each.value }, textNodes(each.text, names));
  const node = el(
    "select",
    { class: "field short", ...naming },
    el("option", { value: "" }, element.placeholder?.text ?? "Select an option"),
    groups.map((group) =>
      group.label ? el("optgroup", { label: group.label.text }, group.options.map(entry)) : group.options.map(entry),
    ),
  );
  node.value = given ?? "";
  return { node, read: () => node.value || null, focus: () => node.focus() };
}

function ticks(type, options, given, { names, naming }, look = "") {
  const group = newId("choice");
  const boxes = options.map((each) => {
    const box = el("input", { type, name: group, value: each.value });
    box.checked = given.includes(each.value);
    return box;
  });
  const rows = options.map((each, index) =>
    el("label", { class: "tick" }, boxes[index], el(
      "span", {}, textNodes(each.text, names),
      each.description && el("small", {}, textNodes(each.description, names)),
    )),
  );
  const node = el("div", { class: `ticks ${look}`, role: type === "radio" ? "radiogroup" : "group", ...naming }, rows);
  const chosen = () => boxes.filter((box) => box.checked).map((box) => box.value);
  return { node, read: () => (type === "radio" ? (chosen()[0] ?? null) : chosen()), focus: () => boxes[0]?.focus() };
}

/** A label, a control, its hint and its error, for a modal's input block or a flow's input. */
export function question({ label, hint, optional, error, element, given, names, changed, suggest }) {
  const id = newId("input");
  const error_id = `${id}-error`;
  const hint_id = `${id}-hint`;
  const about = [error && error_id, hint && hint_id].filter(Boolean).join(" ");
  const many = ["radio_buttons", "checkboxes"].includes(element.type) || element.type.startsWith("multi_");
  const naming = {
    ...(many ? { "aria-labelledby": `${id}-label` } : { id }),
    "aria-describedby": about || null,
    "aria-invalid": error ? "true" : null,
    "aria-required": !optional && !many ? "true" : null,
  };
  const made = control(element, given, { names, naming, changed, suggest });
  const title = [label, optional && el("span", { class: "optional" }, " (optional)")];
  const node = el(
    "div",
    { class: error ? "question wrong" : "question" },
    many ? el("span", { class: "label", id: `${id}-label` }, title) : el("label", { class: "label", for: id }, title),
    made.node,
    error && el("p", { class: "error", id: error_id }, error),
    hint && el("p", { class: "hint", id: hint_id }, hint),
  );
  return { node, read: made.read, focus: made.focus, control: made.node };
}
