// A channel or a direct message: what was said, and the line to write in.
import { composer } from "./composer.js";
import { avatar, el, icon } from "./dom.js";
import { MessageList } from "./list.js";

export class Conversation {
  #list = new MessageList("Messages");
  #first;

  constructor(person, place, { names, app, hints, open }) {
    this.person = person;
    this.id = place.id;
    this.archived = place.archived;
    this.names = names;
    this.open = open;
    this.#first = beginning(place);
    this.node = el("div", { class: "conversation" }, this.#list.node, this.#list.newer,
      composer(person, place, { commands: app.commands, shortcuts: app.shortcuts, hints, readOnly: place.kind === "dm" && app.read_only }));
  }

  /** Whether it can go on showing this place. */
  shows(person, place) {
    return this.person === person && this.id === place.id && this.archived === place.archived;
  }

  /** Bring the messages up to date; `at` is the one to show. */
  update(screen, place, at) {
    const messages = place.messages.filter((message) => !message.thread_ts || message.broadcast);
    const { person, names, open } = this;
    this.#list.update(screen, messages, { person, names, at, open, first: this.#first });
  }
}

function beginning(place) {
  const dm = place.kind === "dm";
  const title = dm ? place.name : place.kind === "channel" ? `#${place.name}` : place.name;
  const sentence = dm
    ? "What waits for you is asked here, and you see here how your own requests stand. Home has all of it in one list."
    : `This is the very beginning of ${title}.`;
  return el("div", { class: "beginning" }, dm ? avatar(place.name, { bot: true }) : icon("hash"), el("h3", {}, title), el("p", {}, sentence));
}
