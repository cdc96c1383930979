// A reader's page. The server says which position is next; an answer is sent again until the server
// has confirmed it, and only then is the next picture asked for.
import { Viewer } from "./viewer.js";

const $ = (id) => document.getElementById(id);
const key = decodeURIComponent(location.hash.slice(1));
const viewer = new Viewer($("picture"), $("window"));
const KEYS_SAID = { r: "real", s: "synthetic", n: "unsure" };

let state = null; // the last state that the server sent
let choice = { score: null, said: null }; // said is "unsure" where the server has null
let busy = false;

async function ask(path, body) {
  const options = { headers: { Authorization: `Bearer ${key}` }, cache: "no-store" };
  if (body) Object.assign(options, { method: "POST", body: JSON.stringify(body) });
  for (let pause = 500; ; pause = Math.min(pause * 1.5, 4000)) {
    try {
      const reply = await fetch(path, options);
      if (reply.status < 500) {
        $("notice").hidden = true;
        return reply;
      }
    } catch { /* the server cannot be reached: try again below */ }
    $("notice").textContent = "The server does not answer. Your answers so far are saved. Trying again …";
    $("notice").hidden = false;
    await new Promise((done) => setTimeout(done, pause));
  }
}

async function change(path, body) {
  if (busy) return;
  busy = true;
  document.body.classList.add("sending");
  try {
    const reply = await ask(path, body);
    // out of turn, since the page is open twice: follow the server
    const next = reply.ok ? reply : await ask("api/state");
    if (!next.ok) return stop(await next.json());
    state = await next.json();
    await show();
  } finally {
    busy = false;
    document.body.classList.remove("sending");
  }
}

async function show() {
  choice = { score: null, said: null };
  progress();
  if (state.position >= state.total) return screen("done");
  const reply = await ask(`api/picture/${state.position}`);
  if (!reply.ok) { // another page of this reader has answered it
    state = await (await ask("api/state")).json();
    return show();
  }
  viewer.load(new Uint16Array(await reply.arrayBuffer()), state.side);
  mark();
  screen("read");
}

function progress() {
  const { position, total, reader, scale, best } = state;
  $("progress").firstElementChild.style.width = `${(100 * position) / total}%`;
  $("progress").setAttribute("aria-valuemax", total);
  $("progress").setAttribute("aria-valuenow", position);
  $("count").textContent = position < total ? `${position + 1} of ${total}` : `${total} of ${total}`;
  $("who").textContent = reader;
  $("hint").textContent = `scale ${scale}: ${best} is best`;
  $("undo").disabled = position === 0;
  $("done-text").textContent = `You have answered for all ${total} pictures.`;
}

function mark() {
  for (const button of $("scores").children) {
    button.setAttribute("aria-pressed", Number(button.dataset.score) === choice.score);
  }
  for (const button of $("said").children) {
    button.setAttribute("aria-pressed", button.dataset.said === choice.said);
  }
}

function choose(part) {
  if (document.body.dataset.screen !== "read" || busy) return;
  Object.assign(choice, part);
  mark();
  if (choice.score === null || choice.said === null) return;
  const said = choice.said === "unsure" ? null : choice.said;
  change("api/answer", { position: state.position, score: choice.score, said });
}

function undo() {
  const screen = document.body.dataset.screen;
  if ((screen === "read" || screen === "done") && state.position > 0) {
    change("api/undo", { position: state.position - 1 });
  }
}

function screen(name) {
  document.body.dataset.screen = name;
  if (name === "start") $("begin").focus({ preventScroll: true });
}

function stop({ error }) {
  $("stop-text").textContent = `${error[0].toUpperCase()}${error.slice(1)}.`;
  screen("stop");
}

function introduce() {
  const { words, best, scale, position, total } = state;
  $("scale-note").textContent = `Scale ${scale}: ${best} is best.`;
  words.forEach((word, i) => {
    const cell = document.createElement("td");
    cell.className = i + 1 === best ? "best" : "";
    cell.innerHTML = `<b>${i + 1}</b>`;
    cell.append(word);
    ($("legend").tBodies[0].rows[0] ?? $("legend").tBodies[0].insertRow()).append(cell);
    const button = document.createElement("button");
    button.type = "button";
    button.dataset.score = i + 1;
    button.innerHTML = `<b>${i + 1}</b>`;
    button.append(Object.assign(document.createElement("span"), { textContent: word }));
    button.addEventListener("click", () => choose({ score: i + 1 }));
    $("scores").append(button);
  });
  $("begin-word").textContent = position ? `Continue with picture ${position + 1} of ${total}` : "Begin";
  progress();
  if (position >= total) screen("done");
  else screen("start");
}

for (const button of $("said").children) {
  button.addEventListener("click", () => choose({ said: button.dataset.said }));
}
$("begin").addEventListener("click", show);
$("undo").addEventListener("click", () => {
  undo();
  $("undo").blur(); // so that Enter does not undo another answer
});

addEventListener("hashchange", () => location.reload());
addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat && !event.key.startsWith("Arrow")) return;
  const pressed = event.key.toLowerCase();
  const reading = document.body.dataset.screen === "read";
  if (reading && /^[1-5]$/.test(pressed)) choose({ score: Number(pressed) });
  else if (reading && KEYS_SAID[pressed]) choose({ said: KEYS_SAID[pressed] });
  else if (pressed === "z" || pressed === "backspace") undo();
  else if (reading && viewer.key(pressed)) { /* the viewer has handled it */ }
  else return;
  event.preventDefault();
});

const reply = await ask("api/state");
if (reply.ok) {
  state = await reply.json();
  introduce();
} else {
  stop(await reply.json());
}
