"use strict";
const form = document.forms[0];
const asked = JSON.parse(form.dataset.options).publicKey;
const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
asked.challenge = bytes(asked.challenge);
if (asked.user) asked.user.id = bytes(asked.user.id);
for (const one of [...(asked.excludeCredentials || []), ...(asked.allowCredentials || [])]) one.id = bytes(one.id);
const answer = async () => {
  const made = await navigator.credentials[asked.user ? "create" : "get"]({ publicKey: asked });
  const from = made.response;
  const response = { clientDataJSON: text(from.clientDataJSON) };
  if (asked.user) {
    response.attestationObject = text(from.attestationObject);
    response.transports = from.getTransports ? from.getTransports() : [];
  } else {
    response.authenticatorData = text(from.authenticatorData);
    response.signature = text(from.signature);
    if (from.userHandle) response.userHandle = text(from.userHandle);
  }
  form.elements.response.value = JSON.stringify({ id: made.id, rawId: text(made.rawId), type: made.type, response, clientExtensionResults: {} });
};
form.addEventListener("submit", (event) => {
  event.preventDefault();
  const failed = document.getElementById("failed");
  failed.hidden = true;
  answer().then(() => form.submit(), () => { failed.hidden = false; failed.focus(); });
});
