"use strict";
// Runs the bundle by what V8 compiled of it when the image was built: its thousand modules would take 2 s of a
// core at every start, the bundle alone 1.2, with this 0.7. Where V8 refuses what is there it compiles anew.
// KEEP_COMPILED=1 writes it down at the end, with all that was compiled by then.
const fs = require("fs");
const Module = require("module");
const path = require("path");
const vm = require("vm");

const filename = path.join(__dirname, "maildev.cjs");
const compiled = `${filename}.compiled`;
const script = new vm.Script(Module.wrap(fs.readFileSync(filename, "utf8")), {
  filename,
  cachedData: fs.existsSync(compiled) ? fs.readFileSync(compiled) : undefined,
  importModuleDynamically: vm.constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
});
if (process.env.KEEP_COMPILED) {
  process.once("exit", () => fs.writeFileSync(compiled, script.createCachedData()));
}
script.runInThisContext()(exports, require, module, filename, __dirname);
