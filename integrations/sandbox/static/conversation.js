// A channel or a direct message: what was said, and the line to write in.
import { act } from "./api.js";
import { blockNodes } from "./blocks.js";
import { arrange, avatar, el, icon } from "./dom.js";
import { clock, day, mrkdwn } from "./text.js";

const NEAR = 120; // pixels from the bottom at which one still follows what comes in

export class Conversation {
  #shown = new Map();
  #log = el("div", { class: "log", role: "log", "aria-label": "Messages", tabindex: "0" });
  #target = null;

  constructor(person, place, { names, commands }) {
    this.person = person;
    this.id = place.id;
    this.names = names;
    this.node = el("div", { class: "conversation" }, this.#log, composer(person, place, commands));
  }

  /** Bring the messages up to date; `at` is the one to show. */
  update(screen, place, at) {
    const follows = this.#log.scrollHeight - this.#log.scrollTop - this.#log.clientHeight < NEAR;
    const mine = place.messages.at(-1)?.user === screen.people.find((each) => each.key === screen.me)?.id;
    const before = this.#shown;
    const fresh = before.size === 0;
    const grown = place.messages.some((message) => !before.has(message.ts));
    this.#shown = new Map();
    const nodes = [beginning(place)];
    let date = "";
    for (const message of inThreads(place.messages)) {
      const posted = new Date(Number(message.ts) * 1000);
      if (!message.thread_ts && day(posted) !== date) {
        date = day(posted);
        nodes.push(this.#keep(before, `day ${date}`, date, () => el("p", { class: "day" }, el("span", {}, date))));
      }
      nodes.push(this.#keep(before, message.ts, JSON.stringify(message), () => this.#draw(screen, message)));
    }
    const focused = this.#focused();
    arrange(this.#log, nodes);
    this.#focusAgain(focused);
    if (at && at !== this.#target) this.#pointAt(at);
    else if (fresh || follows || (grown && mine)) this.#log.scrollTop = this.#log.scrollHeight;
  }

  #keep(before, key, content, draw) {
    const old = before.get(key);
    const entry = old?.content === content ? old : { content, node: draw() };
    this.#shown.set(key, entry);
    return entry.node;
  }

  #focused() {
    const active = document.activeElement;
    const message = this.#log.contains(active) ? active.closest(".message") : null;
    return message && { ts: message.dataset.ts, action: active.dataset.action };
  }

  /** A card that was drawn anew under somebody's fingers keeps the focus, on the same button if it is still there. */
  #focusAgain(was) {
    const message = was && this.#shown.get(was.ts)?.node;
    if (!message || message.contains(document.activeElement)) return;
    const button = [...message.querySelectorAll("[data-action]")].find((each) => each.dataset.action === was.action);
    (button ?? message).focus({ preventScroll: true });
  }

  #pointAt(ts) {
    const node = this.#shown.get(ts)?.node;
    if (!node) return;
    this.#target = ts;
    node.classList.add("target");
    node.scrollIntoView({ block: "center" });
    node.focus({ preventScroll: true });
  }

  #draw(screen, message) {
    const user = screen.users[message.user] ?? { real_name: message.user, bot: false };
    const posted = new Date(Number(message.ts) * 1000);
    const { person, names } = this;
    const use = (name) => (block, element, value) =>
      act(name, {
        person, channel: message.channel, ts: message.ts, block_id: block.block_id, action_id: element.action_id, value: value ?? null,
      });
    const place = { names, click: use("click"), select: use("select") };
    const classes = ["message", message.ephemeral && "whisper", message.thread_ts && "reply"].filter(Boolean).join(" ");
    const exact = new Intl.DateTimeFormat(navigator.language, { dateStyle: "full", timeStyle: "medium" }).format(posted);
    return el(
      "article",
      { class: classes, tabindex: "-1", "data-ts": message.ts, "aria-label": `${user.real_name}, ${clock(posted)}` },
      avatar(user.real_name, { bot: user.bot }),
      el("div", { class: "said" },
        message.ephemeral && el("p", { class: "only-you" }, icon("eye"), "Only visible to you"),
        el("p", { class: "byline" },
          el("strong", {}, user.real_name),
          user.bot && el("span", { class: "app" }, "App"),
          el("time", { datetime: posted.toISOString(), title: exact }, clock(posted))),
        el("div", { class: "told" },
          message.blocks.length ? blockNodes(message.blocks, place) : el("div", { class: "text" }, mrkdwn(message.text, names)),
          message.edited && el("span", { class: "edited" }, " (edited)"))),
    );
  }
}

/** Replies stand below what they reply to. */
function inThreads(messages) {
  const known = new Set(messages.map((message) => message.ts));
  const replies = messages.filter((message) => message.thread_ts && known.has(message.thread_ts));
  return messages
    .filter((message) => !replies.includes(message))
    .flatMap((message) => [message, ...replies.filter((reply) => reply.thread_ts === message.ts)]);
}

function beginning(place) {
  const dm = place.kind === "dm";
  const title = dm ? place.name : place.kind === "channel" ? `#${place.name}` : place.name;
  const sentence = dm
    ? "This is your direct message with the bot. What waits for you is asked here."
    : `This is the very beginning of ${title}.`;
  return el("div", { class: "beginning" }, dm ? avatar(place.name, { bot: true }) : icon("hash"), el("h3", {}, title), el("p", {}, sentence));
}

function composer(person, place, commands) {
  const label = place.kind === "channel" ? `Message #${place.name}` : `Message ${place.name}`;
  const known = Object.entries(commands ?? {});
  const field = el("textarea", { rows: 1, "aria-label": label, placeholder: known.length ? `${label}, or type / for commands` : label });
  const offers = el("div", { class: "offers", hidden: true });
  const send = async () => {
    const text = field.value.trim();
    if (!text) return;
    field.value = "";
    refresh();
    const answer = await act(text.startsWith("/") ? "command" : "say", { person, channel: place.id, text });
    if (answer.error) field.value = text;
  };
  const take = (command) => {
    field.value = `${command} `;
    refresh();
    field.focus();
  };
  const refresh = () => {
    const fitting = field.value.startsWith("/") ? known.filter(([command]) => command.startsWith(field.value.trimEnd())) : [];
    offers.hidden = fitting.length === 0 || field.value.endsWith(" ");
    offers.replaceChildren(...fitting.map(([command, what]) =>
      el("button", { type: "button", onclick: () => take(command) }, el("strong", {}, command), el("span", {}, what))));
    field.rows = Math.min(8, field.value.split("\n").length);
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
  });
  const form = el("form", { class: "composer" }, offers, field,
    el("button", { type: "submit", class: "bare", "aria-label": "Send" }, icon("send")));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send();
  });
  return form;
}
