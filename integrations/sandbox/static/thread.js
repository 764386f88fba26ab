// A thread beside its channel: the message, what was answered, and the line to answer in.
import { act } from "./api.js";
import { composer } from "./composer.js";
import { el, icon } from "./dom.js";
import { MessageList } from "./list.js";

export class Thread {
  #list = new MessageList("Thread", { inThread: true });
  #read = "";

  constructor(person, place, ts, { names, close }) {
    this.person = person;
    this.id = place.id;
    this.ts = ts;
    this.archived = place.archived;
    this.names = names;
    this.node = el(
      "section",
      { class: "thread", "aria-label": "Thread" },
      el("header", { class: "title" }, icon("thread"), el("h2", {}, "Thread"),
        el("button", { type: "button", class: "bare", "aria-label": "Close thread", onclick: close }, icon("close"))),
      this.#list.node,
      this.#list.newer,
      composer(person, place, { thread: ts }),
    );
  }

  /** Whether this is the thread of that message, as that person sees it. */
  shows(person, place, ts) {
    return this.person === person && this.id === place.id && this.ts === ts && this.archived === place.archived;
  }

  update(screen, place) {
    const messages = place.messages.filter((message) => message.ts === this.ts || message.thread_ts === this.ts);
    this.#list.update(screen, messages, { person: this.person, names: this.names });
    const last = messages.at(-1)?.ts;
    const waits = messages.find((message) => message.ts === this.ts)?.replies?.unread;
    if (last && waits && last !== this.#read && document.visibilityState === "visible") {
      this.#read = last;
      act("read", { person: this.person, channel: this.id, ts: last, thread_ts: this.ts });
    }
  }
}
