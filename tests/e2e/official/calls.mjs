// Calls a service as a user of OpenAI's package for Node does, and prints what came of each.
// OPENAI_BASE_URL and OPENAI_API_KEY say where; the argument is a picture.

import fs from "node:fs";
import OpenAI, { toFile } from "openai";

const prompt = "a red circle moves right";
const client = new OpenAI();
const videos = client.videos;

async function said(call) {
  try {
    await call();
  } catch (error) {
    return { raised: error.constructor.name, message: error.message, code: error.code };
  }
  return { raised: null };
}

async function polled(body) {
  let video = await videos.create(body);
  while (["queued", "in_progress"].includes(video.status)) {
    const { data, response } = await videos.retrieve(video.id).withResponse();
    video = data;
    const after = Number(response.headers.get("openai-poll-after-ms") ?? 0);
    await new Promise((go) => setTimeout(go, after));
  }
  return video;
}

const done = await polled({ prompt, seconds: "0.5", size: "128x128", steps: 2 });
const content = Buffer.from(await (await videos.downloadContent(done.id)).arrayBuffer());
const withFile = await videos.create({
  prompt,
  input_reference: fs.createReadStream(process.argv[2]),
  seed: 7,
  metadata: { shot: "3" },
});
const tooEarly = await said(() => videos.downloadContent(withFile.id));
const remix = await videos.remix(done.id, { prompt: "a blue square grows" });
const pages = [];
for await (const video of videos.list({ limit: 2 })) pages.push(video.id);
const gone = await polled({ prompt, preset: "draft" });
const deleted = await videos.delete(gone.id);
const noPicture = await toFile(Buffer.from("no"), "no.png");
console.log(
  JSON.stringify({
    done,
    content: [content.length, content.subarray(4, 8).toString()],
    with_file: withFile,
    remix,
    pages,
    deleted,
    deleted_again: await said(() => videos.retrieve(gone.id)),
    wrong_key: await said(() => new OpenAI({ apiKey: "wrong" }).videos.list()),
    unknown: await said(() => videos.retrieve("01ARZ3NDEKTSV4RRFFQ69G5FAV")),
    illegal_size: await said(() => videos.create({ prompt, size: "720x1280" })),
    no_picture: await said(() => videos.create({ prompt, input_reference: noPicture })),
    too_early: tooEarly,
    no_such_call: await said(() => client.post("/videos/characters", { body: { name: "a" } })),
  }),
);
