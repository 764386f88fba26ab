// The page: whose screen it is and what is open stand in the address; the screen itself comes as it changes.
import { act, ask, follow } from "./api.js";
import { blockNodes } from "./blocks.js";
import { Conversation } from "./conversation.js";
import { avatar, el, icon, redrawn, toast } from "./dom.js";
import { Mailbox } from "./mail.js";
import { Modal } from "./modal.js";
import { openStart } from "./start.js";

const byId = (id) => document.getElementById(id);
const modal = new Modal();
const noticesSeen = new Map();
let guide = null;
let screen = null;
let route = { as: null, open: "dm" };
let stop = null;
let conversation = null;
let mailbox = null;
let panel = null; // {person, dialog}; the dialog is there once the flows are
let shownHome = "";
let homeOpenedFor = null;

// -- the address

function readAddress() {
  const query = new URLSearchParams(location.search);
  const get = (name) => query.get(name);
  return { as: get("as") ?? localStorage.getItem("as"), open: get("open") ?? "dm", at: get("at"), mail: get("mail"), flow: get("flow") };
}

function href(changes) {
  const wanted = { ...route, ...changes };
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(wanted)) if (value !== null && value !== undefined) query.set(name, value);
  return `?${query}`;
}

function go(address, { replace = false } = {}) {
  if (address !== location.search) history[replace ? "replaceState" : "pushState"](null, "", address);
  arrive();
}

function arrive() {
  const before = route;
  route = readAddress();
  if (route.open !== "home") homeOpenedFor = null;
  document.body.classList.remove("menu-open");
  byId("menu").setAttribute("aria-expanded", "false");
  if (!stop || route.as !== before.as) connect();
  else render();
}

const place = (name) => (target) => href({ open: target, at: null, mail: null, flow: null, ...(name ? { as: name } : {}) });

const names = {
  users: {}, channels: {}, groups: {},
  go(url) {
    const found = /\/archives\/(\w+)\/p(\d+)(\d{6})$/.exec(url);
    if (found) go(href({ open: found[1], at: `${found[2]}.${found[3]}`, mail: null, flow: null }));
  },
};

// -- news

function connect() {
  stop?.();
  conversation = null;
  stop = follow(route.as ?? "", {
    screen: (news) => {
      screen = news;
      if (route.as !== screen.me) {
        route.as = screen.me;
        history.replaceState(null, "", href({}));
      }
      localStorage.setItem("as", screen.me);
      Object.assign(names, { users: screen.users, channels: screen.channels, groups: screen.groups });
      tellNotices();
      render();
    },
    connected: (well) => {
      byId("connection").textContent = well ? "" : "Not connected. Trying again …";
    },
    unknown: () => {
      localStorage.removeItem("as");
      go(href({ as: null }), { replace: true });
    },
  });
}

function tellNotices() {
  const seen = noticesSeen.get(screen.me) ?? screen.notices.length;
  screen.notices.slice(seen).forEach((notice) => toast(notice, { trouble: true }));
  noticesSeen.set(screen.me, screen.notices.length);
}

// -- drawing

function render() {
  if (!screen || screen.me !== (route.as ?? screen.me)) return;
  const me = screen.people.find((each) => each.key === screen.me);
  byId("workspace").textContent = screen.workspace;
  document.title = `${me.unread ? `(${me.unread}) ` : ""}${me.name} · ${screen.workspace} sandbox`;
  redrawn(byId("people"), screen.people.map(personLink), "person");
  redrawn(byId("places"), sidebar(), "place");
  renderMain();
  modal.show(screen.modal, screen.me, names);
  renderPanel(me);
  document.body.dataset.ready = screen.me;
}

function badge(count) {
  return count > 0 && el("span", { class: "badge" }, String(count), el("span", { class: "hidden" }, " unread"));
}

function personLink(person) {
  const current = person.key === screen.me ? "true" : null;
  const target = href({ as: person.key, at: null, mail: null, flow: null });
  return el("li", {}, el(
    "a",
    { href: target, "aria-current": current, "data-person": person.key, title: `Be ${person.name} (${person.email})` },
    avatar(person.name, { small: true }), el("span", { class: "name" }, person.name.split(" ")[0]), badge(person.unread),
  ));
}

function sidebar() {
  const at = place();
  const entry = (target, name, drawing, unread) =>
    el("li", {}, el(
      "a",
      { href: at(target), "data-place": target, class: unread ? "unread" : null, "aria-current": isOpen(target) ? "page" : null },
      drawing, el("span", { class: "name" }, name), badge(unread),
    ));
  const list = (title, entries) => [el("h2", {}, title), el("ul", {}, entries)];
  const channels = screen.places.filter((each) => each.kind !== "dm");
  const dm = screen.places.find((each) => each.kind === "dm");
  const mails = screen.mails.filter((mail) => mail.unread).length;
  return [
    ...list("Slack channels", channels.map((each) => entry(keyOf(each), each.name, icon(each.private ? "lock" : "hash"), each.unread))),
    ...list("Slack messages", [entry("dm", dm.name, avatar(dm.name, { bot: true, small: true }), dm.unread)]),
    ...list("Mail", [entry("mail", "Inbox", icon("mail"), mails)]),
  ];
}

const keyOf = (each) => (each.kind === "dm" ? "dm" : each.kind === "channel" ? each.name : each.id);
const isOpen = (target) => target === (route.open === "home" ? "dm" : opened() ? keyOf(opened()) : route.open);
const opened = () => screen.places.find((each) => keyOf(each) === route.open || each.id === route.open);

function renderMain() {
  const main = byId("main");
  const current = opened();
  if (route.open !== "home") shownHome = "";
  if (route.open === "mail") {
    conversation = null;
    if (!mailbox || mailbox.person !== screen.me || !main.contains(mailbox.node)) {
      mailbox = new Mailbox(screen.me, { names, href });
      main.replaceChildren(title(icon("mail"), "Inbox", me().email), mailbox.node);
    }
    mailbox.update(screen, route.mail);
  } else if (route.open === "home") {
    conversation = null;
    renderHome(main);
  } else if (!current) {
    conversation = null;
    main.replaceChildren(el("div", { class: "empty" }, el("p", {}, `${me().name} is not in this place. Choose another one, or be somebody else.`)));
  } else {
    if (conversation?.id !== current.id || conversation.person !== screen.me) {
      conversation = new Conversation(screen.me, current, { names, commands: guide?.commands });
      const dm = current.kind === "dm";
      const mark = dm ? avatar(current.name, { bot: true, small: true }) : icon(current.private ? "lock" : "hash");
      main.replaceChildren(title(mark, current.name, dm ? null : `${current.members} members`, dm), conversation.node);
    }
    conversation.update(screen, current, route.at);
    if (current.unread && document.visibilityState === "visible") {
      act("read", { person: screen.me, channel: current.id, ts: current.messages.at(-1).ts });
    }
  }
}

const me = () => screen.people.find((each) => each.key === screen.me);

function title(mark, name, about, withTabs = false) {
  const tab = (target, text) => el("a", { href: place()(target), "aria-current": route.open === target || (target === "dm" && route.open !== "home") ? "page" : null }, text);
  return el("header", { class: "title" }, mark, el("h1", {}, name), about && el("span", { class: "about" }, about),
    withTabs && el("nav", { class: "tabs", "aria-label": name }, tab("dm", "Messages"), tab("home", "Home")));
}

function renderHome(main) {
  if (homeOpenedFor !== screen.me) {
    homeOpenedFor = screen.me;
    act("home", { person: screen.me });
  }
  const view = screen.home;
  const content = JSON.stringify([screen.me, view]);
  if (content === shownHome && main.querySelector(".home")) return;
  shownHome = content;
  const use = (name) => (block, element, value) =>
    act(name, { person: screen.me, view: view.id, block_id: block.block_id, action_id: element.action_id, value: value ?? null });
  const dm = screen.places.find((each) => each.kind === "dm");
  main.replaceChildren(
    title(avatar(dm.name, { bot: true, small: true }), dm.name, null, true),
    el("div", { class: "home", tabindex: "0" }, view
      ? blockNodes(view.blocks, { names, values: view.values, click: use("click"), select: use("select") })
      : el("div", { class: "empty" }, icon("home"), el("p", {}, "The bot has not published anything here yet."))),
  );
}

function renderPanel(who) {
  if (panel && (route.flow === null || panel.person !== screen.me)) {
    const closing = panel;
    panel = null;
    closing.dialog?.close();
  }
  if (route.flow === null || panel) return;
  const mine = { person: screen.me, dialog: null };
  const navigate = (flow) => {
    if (panel !== mine) return;
    if (flow === null) panel = null;
    go(href({ flow }), { replace: true });
  };
  panel = mine;
  openStart({ person: screen.me, name: who.name, names, flow: route.flow, navigate }).then(
    (dialog) => {
      mine.dialog = dialog;
      if (panel !== mine) dialog.close();
    },
    () => {
      navigate(null);
      toast("The sandbox does not answer. Is it still running?", { trouble: true });
    },
  );
}

// -- what is this?

function drawGuide() {
  const aside = byId("guide");
  byId("help").hidden = !guide;
  if (!guide) return;
  const close = el("button", { type: "button", class: "bare", "aria-label": "Close the hint", onclick: () => showGuide(false) }, icon("close"));
  aside.replaceChildren(el("div", {},
    el("header", {}, el("h2", {}, guide.title), close),
    el("p", {}, guide.lead),
    guide.steps.length > 0 && el("h3", {}, "Try this"),
    el("ol", {}, guide.steps.map(({ text, href: target }) => el("li", {}, target ? el("a", { href: target }, text) : text))),
    guide.notes && el("p", { class: "notes" }, guide.notes),
  ));
  showGuide(localStorage.getItem("guide") !== "closed");
}

function showGuide(open) {
  byId("guide").hidden = !open;
  byId("help").setAttribute("aria-expanded", String(open));
  localStorage.setItem("guide", open ? "open" : "closed");
}

// -- what people do with it

byId("help").addEventListener("click", () => showGuide(byId("guide").hidden));
byId("start").addEventListener("click", () => go(href({ flow: "" })));
byId("menu").addEventListener("click", () => {
  const open = document.body.classList.toggle("menu-open");
  byId("menu").setAttribute("aria-expanded", String(open));
});
document.addEventListener("click", (event) => {
  const link = event.target.closest?.('a[href^="?"]');
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
  event.preventDefault();
  if (byId("guide").contains(link) && matchMedia("(max-width: 760px)").matches) showGuide(false);
  go(link.getAttribute("href"));
});
document.addEventListener("visibilitychange", () => render());
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && document.body.classList.contains("menu-open")) byId("menu").click();
});
window.addEventListener("popstate", arrive);

guide = await ask("/_sandbox/guide");
drawGuide();
arrive();
