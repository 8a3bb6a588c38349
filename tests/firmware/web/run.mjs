// Prints the checksum of every part of the scenario: `node run.mjs web.wasm`.
import { readFileSync } from "node:fs";

const { instance } = await WebAssembly.instantiate(readFileSync(process.argv[2]), {});
const { parts, checksum } = instance.exports;
for (let index = 0; index < parts(); index++) {
  console.log(BigInt.asUintN(64, checksum(index)).toString(16).padStart(16, "0"));
}
