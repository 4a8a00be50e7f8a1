// Starts `svcc lsp` when the first program is opened, and ends it with the editor.

const { workspace } = require("vscode");
const { LanguageClient } = require("vscode-languageclient/node");

let client;

exports.activate = async function () {
  const command = workspace.getConfiguration("svcc").get("command");
  const server = { command, args: ["lsp"] };
  const options = {
    documentSelector: [{ language: "svcc" }],
    synchronize: { fileEvents: workspace.createFileSystemWatcher("**/*.dsl") },
  };
  client = new LanguageClient("svcc", "svcc", server, options);
  await client.start();
};

exports.deactivate = function () {
  return client?.stop();
};
