// Imported before everything else: an older Node would break in the middle of the work.

const [major = 0] = process.versions.node.split('.').map(Number);
if (major < 24) {
  console.error(`iot-revoke needs Node 24 or later; this is ${process.version}`);
  process.exit(2);
}
