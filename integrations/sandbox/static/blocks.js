// Block Kit as a message, a modal or the home tab shows it.
import { el, icon, newId, showDialog } from "./dom.js";
import { control, held, question } from "./inputs.js";
import { mrkdwn, richText, textNodes } from "./text.js";

/**
 * Blocks as nodes. `place` is where they stand: {names, values, errors, typed, click(block, element, value),
 * select(block, element, value), suggest(block, element, query)}; `place.fields`, if there is one, collects the input blocks' controls by block id.
 */
export function blockNodes(blocks, place) {
  return blocks.map((block) => {
    const draw = BLOCKS[block.type];
    const node = draw ? draw(block, place) : el("p", { class: "unknown" }, `This page cannot show a ${block.type} block.`);
    node.dataset.block = block.block_id ?? "";
    return node;
  });
}

const BLOCKS = {
  header: (block, { names }) => el("h3", { class: "block header" }, textNodes(block.text, names)),
  divider: () => el("hr", { class: "block" }),
  section,
  context: (block, { names }) =>
    el("div", { class: "block context" }, block.elements.map((each) =>
      each.type === "image" ? picture(each) : el("span", {}, textNodes(each, names)))),
  actions: (block, place) => el("div", { class: "block actions" }, block.elements.map((each) => elementNode(block, each, place))),
  image: (block) => el("div", { class: "block" }, picture(block)),
  rich_text: (block, { names }) => el("div", { class: "block" }, richText(block.elements, names)),
  markdown: (block, { names }) => el("div", { class: "block" }, mrkdwn(markdown(block.text), names)),
  table,
  input,
};

function table(block, { names }) {
  const look = (index) => `align-${block.column_settings?.[index]?.align ?? "left"}${block.column_settings?.[index]?.is_wrapped ? "" : " unwrapped"}`;
  const cell = (tag) => (each, index) =>
    el(tag, { class: look(index) }, each.type === "rich_text" ? richText(each.elements, names) : each.text);
  const [head, ...rows] = block.rows;
  return el("div", { class: "block table" }, el("table", {},
    el("thead", {}, el("tr", {}, head.map(cell("th")))),
    el("tbody", {}, rows.map((row) => el("tr", {}, row.map(cell("td")))))));
}

function section(block, place) {
  const body = el(
    "div",
    { class: "words" },
    block.text && el("div", { class: "text" }, textNodes(block.text, place.names)),
    block.fields && el("div", { class: "fields" }, block.fields.map((each) => el("div", {}, textNodes(each, place.names)))),
  );
  return el("div", { class: "block section" }, body, block.accessory && elementNode(block, block.accessory, place));
}

function input(block, place) {
  const { element } = block;
  const state = place.values?.[block.block_id]?.[element.action_id];
  const typed = place.typed?.[block.block_id];
  const made = question({
    label: block.label.text,
    hint: block.hint?.text,
    optional: block.optional,
    error: place.errors?.[block.block_id],
    element,
    given: typed === undefined ? held(element, state) : typed,
    names: place.names,
    changed: block.dispatch_action ? (value) => place.select(block, element, value) : null,
    suggest: (query) => place.suggest(block, element, query),
  });
  place.fields?.set(block.block_id, made);
  made.node.classList.add("block");
  return made.node;
}

/** Pictures live elsewhere, and the page fetches nothing from elsewhere: their description stands in. */
function picture(image) {
  return el("span", { class: "picture" }, image.alt_text);
}

/** The markdown block knows a little of Markdown; what it shares with mrkdwn is rewritten, the rest stays as it is. */
function markdown(text) {
  return text
    .replace(/[&<>]/g, (sign) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;" })[sign])
    .replace(/^#{1,6}\s+(.*)$/gm, "*$1*")
    .replace(/\*\*([^*\n]+)\*\*/g, "*$1*")
    .replace(/\[([^\]\n]+)\]\((https?:[^)\s]+)\)/g, "<$2|$1>");
}

function elementNode(block, element, place) {
  if (element.type === "button") return button(block, element, place);
  if (element.type === "overflow") return overflow(block, element, place);
  if (element.type === "image") return picture(element);
  const state = place.values?.[block.block_id]?.[element.action_id];
  const naming = { "aria-label": element.placeholder?.text ?? element.action_id };
  const changed = (value) => asked(element, () => place.select(block, element, value));
  const suggest = (query) => place.suggest(block, element, query);
  return control(element, held(element, state), { names: place.names, naming, changed, suggest }).node;
}

function button(block, element, place) {
  const look = element.style ? `button ${element.style}` : "button";
  const node = el(
    "button",
    { type: "button", class: look, "data-action": element.action_id, "aria-label": element.accessibility_label },
    textNodes(element.text, place.names),
  );
  node.addEventListener("click", () => {
    if (element.url) window.open(element.url, "_blank", "noopener,noreferrer");
    asked(element, () => busy(node, () => place.click(block, element, element.value)));
  });
  return node;
}

function overflow(block, element, place) {
  const choose = (each) => () => {
    node.removeAttribute("open");
    if (each.url) window.open(each.url, "_blank", "noopener,noreferrer");
    asked(element, () => place.select(block, element, each.value));
  };
  const node = el(
    "details",
    { class: "overflow" },
    el("summary", { class: "button", "aria-label": "More actions" }, icon("more")),
    el("div", { class: "list" }, element.options.map((each) =>
      el("button", { type: "button", onclick: choose(each) }, textNodes(each.text, place.names)))),
  );
  return node;
}

/** Do it, after asking back where the element says so. */
function asked(element, perform) {
  if (!element.confirm) {
    perform();
    return;
  }
  const { title, text, confirm, deny, style } = element.confirm;
  const title_id = newId("confirm");
  const nobody = { users: {}, channels: {}, groups: {}, go: () => {} };
  const answer = (yes) => () => {
    dialog.close();
    if (yes) perform();
  };
  const dialog = showDialog(el(
    "dialog",
    { class: "modal small", "aria-labelledby": title_id },
    el("header", {}, el("h2", { id: title_id }, title.text)),
    el("div", { class: "content" }, textNodes(text, nobody)),
    el("footer", {},
      el("button", { type: "button", class: "button", onclick: answer(false) }, deny.text),
      el("button", { type: "button", class: `button ${style ?? "primary"}`, onclick: answer(true) }, confirm.text)),
  ));
}

/** A button that cannot be pressed again until it has been answered. */
export async function busy(node, perform) {
  if (node.getAttribute("aria-busy") === "true") return;
  node.setAttribute("aria-busy", "true");
  try {
    await perform();
  } finally {
    node.removeAttribute("aria-busy");
  }
}
