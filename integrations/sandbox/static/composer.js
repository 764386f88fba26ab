// The line to write in: messages, commands with what they take, and the app's shortcuts.
import { act } from "./api.js";
import { el, icon } from "./dom.js";

/**
 * The line for a place. `commands` are {command, description, usage_hint}; `hints` are ready-made commands with what they do;
 * `shortcuts` those of the app. Where the app takes no messages (`readOnly`), commands are all there is to type. In a thread (`thread`) there are neither, as in Slack, and a reply may go to the channel too.
 */
export function composer(person, place, { commands = [], hints = {}, shortcuts = [], thread = null, readOnly = false } = {}) {
  if (place.archived) return el("p", { class: "closed" }, icon("lock"), `#${place.name} is archived. Nobody can write here.`);
  const label = thread ? "Reply in this thread" : place.kind === "channel" ? `Message #${place.name}` : `Message ${place.name}`;
  const known = thread ? [] : offered(commands, hints);
  const field = el("textarea", { rows: 1, "aria-label": label, placeholder: known.length === 0 ? label : readOnly ? "Type / for commands" : `${label}, or type / for commands` });
  const offers = el("div", { class: "offers", hidden: true });
  const usage = el("p", { class: "usage", hidden: true });
  const also = thread && place.kind === "channel" && el("input", { type: "checkbox" });
  const send = async () => {
    const text = field.value.trim();
    if (!text) return;
    field.value = "";
    refresh();
    const command = !thread && text.startsWith("/");
    const reply = thread ? { thread_ts: thread, broadcast: also?.checked ?? false } : {};
    const answer = await act(command ? "command" : "say", { person, channel: place.id, text, ...reply });
    if (answer.error) field.value = text;
    else if (also) also.checked = false;
  };
  const take = (text) => {
    field.value = `${text} `;
    refresh();
    field.focus();
  };
  const refresh = () => {
    const typed = field.value;
    const command = thread ? null : commands.find((each) => typed === each.command || typed.startsWith(`${each.command} `));
    const fitting = typed.startsWith("/") ? known.filter(({ text }) => text.startsWith(typed.trimEnd()) && text !== typed.trimEnd()) : [];
    offers.hidden = fitting.length === 0;
    offers.replaceChildren(...fitting.map(({ text, takes, what }) =>
      el("button", { type: "button", onclick: () => take(text) }, el("strong", {}, text, takes && ` ${takes}`), el("span", {}, what))));
    usage.hidden = !command?.usage_hint || !offers.hidden;
    usage.textContent = command ? `${command.command} ${command.usage_hint}` : "";
    field.rows = Math.min(8, typed.split("\n").length);
  };
  field.addEventListener("input", refresh);
  field.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      send();
    }
    if (event.key === "Tab" && !event.shiftKey && !offers.hidden) {
      event.preventDefault();
      offers.querySelector("button").click();
    }
    if (event.key === "Escape" && !offers.hidden) {
      event.stopPropagation();
      offers.hidden = true;
    }
  });
  const form = el("form", { class: "composer" }, offers, usage, !thread && menuOf(person, shortcuts), field,
    el("button", { type: "submit", class: "bare", "aria-label": "Send" }, icon("send")),
    also && el("label", { class: "also" }, also, `Also send to #${place.name}`));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send();
  });
  return form;
}

/** The menu of the app's global shortcuts; nothing where it has none. */
function menuOf(person, shortcuts) {
  const all = shortcuts.filter((each) => each.type === "global");
  if (all.length === 0) return null;
  const use = (each) => () => {
    menu.removeAttribute("open");
    act("shortcut", { person, callback_id: each.callback_id });
  };
  const menu = el(
    "details",
    { class: "menu up" },
    el("summary", { class: "bare", "aria-label": "Shortcuts", title: "Shortcuts" }, icon("bolt")),
    el("div", { class: "list" }, all.map((each) =>
      el("button", { type: "button", onclick: use(each) }, el("strong", {}, each.name), el("span", {}, each.description)))),
  );
  return menu;
}

/** Commands to take: those with hints of their own, and what usage hints say: `[all | run FLOW | show or cancel RUN]`. */
function offered(commands, hints) {
  const all = new Map(Object.entries(hints).map(([text, what]) => [text, { text, takes: "", what }]));
  const add = (text, takes, what) => {
    if (!all.has(text)) all.set(text, { text, takes, what });
    else if (takes) all.get(text).takes = takes;
  };
  for (const { command, description, usage_hint } of commands) {
    add(command, "", description);
    for (const part of usage_hint.replace(/[[\]]/g, "").split("|")) {
      const [, names, takes] = /^(.*?)((?:\s+[A-Z][A-Z_]*)*)$/.exec(part.trim());
      for (const name of names.split(/,|\bor\b/)) if (name.trim()) add(`${command} ${name.trim()}`, takes.trim(), "");
    }
  }
  return [...all.values()];
}
