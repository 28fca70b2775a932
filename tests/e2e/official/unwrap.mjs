// Takes webhooks in as a user of OpenAI's package for Node does: a list of them comes as JSON on
// stdin, and what came of each is printed. The argument is the secret.

import fs from "node:fs";
import OpenAI from "openai";

const client = new OpenAI({ apiKey: "none" });
const came = [];
for (const { body, headers } of JSON.parse(fs.readFileSync(0, "utf8"))) {
  try {
    came.push(await client.webhooks.unwrap(body, headers, process.argv[2]));
  } catch (error) {
    came.push(error.constructor.name);
  }
}
console.log(JSON.stringify(came));
