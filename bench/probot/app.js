// Probot checks the signature, parses the payload and calls this handler, which does nothing.
export default (app) => {
  app.on("push", async () => {});
};
