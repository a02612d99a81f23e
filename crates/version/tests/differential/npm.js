// Prints < = > for each line "A<TAB>B", or ? where node-semver refuses a version.
const semver = require(process.env.SEAWORTHY_NODE_SEMVER);
for (const line of require("fs").readFileSync(0, "utf8").trimEnd().split("\n")) {
  try {
    console.log("<=>"[semver.compare(...line.split("\t"), true) + 1]);
  } catch {
    console.log("?");
  }
}
