// A client written from docs/concepts/api.md alone, for browsers and Node: books that it checks, trades, orders, and events that it resumes.
"use strict";

function crc32(text) {
  let crc = ~0;
  for (const byte of new TextEncoder().encode(text)) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}

class Book {
  constructor() {
    this.checked = this.deltas = 0;
  }
  take(told) {
    if (told.type === "snapshot") this.sides = {bids: new Map(told.bids), asks: new Map(told.asks)};
    else {
      if (told.prev_seq !== this.seq) throw new Error(`missed: ${told.prev_seq} is not ${this.seq}`);
      this.deltas++;
      for (const side of ["bids", "asks"])
        for (const [price, quantity] of told[side] ?? [])
          quantity === "0" ? this.sides[side].delete(price) : this.sides[side].set(price, quantity);
    }
    this.seq = told.seq;
    if (told.checksum === undefined) return;
    this.checked++;
    if (this.checksum() !== told.checksum) throw new Error(`checksum ${told.checksum} at ${told.seq}`);
  }
  checksum() {
    const best = (side, sign) => [...this.sides[side]].sort((a, b) => sign * (a[0] - b[0])).slice(0, 25);
    return crc32([...best("bids", -1), ...best("asks", 1)].map((level) => level.join(":")).join(":"));
  }
}

class Speaker {
  static async open(url, told) {
    const one = new Speaker();
    one.number = 0;
    one.waits = new Map();
    one.ws = new WebSocket(url);
    one.ws.onmessage = ({data}) => {
      const heard = JSON.parse(data);
      if ("ok" in heard) one.waits.get(heard.id)(heard);
      else told(heard);
    };
    await new Promise((done, failed) => ((one.ws.onopen = done), (one.ws.onerror = failed)));
    return one;
  }
  async ask(op, args, account) {
    const id = ++this.number;
    const reply = new Promise((done) => this.waits.set(id, done));
    this.ws.send(JSON.stringify({op, id, args, account}));
    return reply;
  }
  async done(op, args, account) {
    const reply = await this.ask(op, args, account);
    if (!reply.ok) throw new Error(`${op}: ${JSON.stringify(reply.error)}`);
    return reply.result;
  }
}

async function until(true_) {
  for (let turn = 0; !true_(); turn++) {
    if (turn > 1000) throw new Error(`it did not come about: ${true_}`);
    await new Promise((done) => setTimeout(done, 10));
  }
}

// What `[first, second]` accounts do in a market, and what the client saw of it.
async function trade(url, market, [first, second]) {
  const found = {trades: 0, numbers: [], broken: []};
  let book = new Book();
  const told = (heard) => {
    try {
      if (heard.channel === "book") book.take(heard);
      if (heard.channel === "trades") found.trades += heard.trades.length;
      if (heard.channel === "account") found.numbers.push(heard.account_seq);
    } catch (error) {
      found.broken.push(String(error));
    }
  };
  const one = await Speaker.open(url, told);
  const {account_seq} = await one.done("subscribe", {channel: "account", account: first});
  found.began = account_seq;
  await one.done("subscribe", {channel: "trades", market});
  await until(() => true);
  const before = found.trades;
  await one.done("subscribe", {channel: "book", market});
  for (let tick = 0; tick < 40; tick++) {
    const price = (170 + tick / 100).toFixed(2);
    const {order} = await one.done("place_order", {market, side: "bid", price, quantity: "0.01"}, first);
    if (order.status !== "open") throw new Error(JSON.stringify(order));
  }
  const sale = {market, side: "ask", price: "170.20", quantity: "0.05", time_in_force: "ioc"};
  found.sold = (await one.done("place_order", sale, second)).order;
  await until(() => found.trades - before >= 5 && book.deltas >= 41 && found.numbers.length >= 45);
  Object.assign(found, {deltas: book.deltas, checked: book.checked, refused: (await one.ask("place_order", {market}, first)).error});
  const checksum = book.checksum();
  one.ws.close();

  // A second connection: the same book, and what happened to the account meanwhile.
  const last = found.numbers.at(-1);
  book = new Book();
  const two = await Speaker.open(url, told);
  await two.done("subscribe", {channel: "book", market});
  await until(() => book.sides);
  found.same = book.checksum() === checksum;
  await two.done("cancel_all", {}, first);
  await two.done("subscribe", {channel: "account", account: first, resume_from: last});
  await until(() => found.numbers.length >= 45 + 35);
  two.ws.close();
  return found;
}

// Node runs this file; a page loads it.
if (typeof process !== "undefined" && process.argv?.length > 3) {
  const [url, market, accounts] = process.argv.slice(2);
  trade(url, market, accounts.split(",")).then(
    (found) => console.log(JSON.stringify(found)),
    (error) => (console.error(error), process.exit(1)),
  );
  setTimeout(() => process.exit(3), 60000).unref();
}
