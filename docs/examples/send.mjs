// Send a text to the number that is given, and wait for its end. Node.js 18 or newer, and nothing else.
import { randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";

const url = process.env.SMS_URL ?? "http://127.0.0.1:8080/msg-client";
const key = process.env.SMS_KEY ? { Authorization: `Bearer ${process.env.SMS_KEY}` } : {};
const forNow = [429, 502, 503, 504];

/** The answer with its JSON. All attempts have the same Idempotency-Key, so a text goes out once. */
async function ask(method, path, body) {
  const headers = { ...key, "Content-Type": "application/json", "Idempotency-Key": randomUUID() };
  for (let left = 5; ; left--) {
    let seconds = 2 ** (3 - left) * (1 + Math.random());
    try {
      const signal = AbortSignal.timeout(10_000);
      const answer = await fetch(url + path, { method, headers, signal, body: body && JSON.stringify(body) });
      const text = await answer.text();
      const data = text ? JSON.parse(text) : null;
      if (answer.ok) return { sid: answer.headers.get("X-Message-SID"), data };
      const refused = new Error(data?.error?.message ?? `HTTP ${answer.status}`);
      if (!forNow.includes(answer.status) || !left) return Promise.reject(refused);
      seconds = Math.max(seconds, Number(answer.headers.get("Retry-After")) || 0);
    } catch (error) {
      if (!left) throw error; // no connection, no answer in time, or one that broke off
    }
    await pause(seconds * 1000);
  }
}

const text = { To: process.argv[2], Body: "Your table is booked.", Reference: "booking 4711" };
try {
  const { sid } = await ask("POST", "/send", text);
  console.log("accepted", sid);
  let message;
  do {
    await pause(1000);
    message = (await ask("GET", `/messages/${sid}`)).data;
  } while (!["DELIVERED", "FAILED"].includes(message.DeliveryStatus));
  console.log(message.DeliveryStatus, sid, message.Explanation?.text ?? "");
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
