// Starts the API reference; kept out of index.html so that the page needs no inline script.
// Everything in the bundle that could speak to another host is switched off here, and the
// page's Content-Security-Policy refuses it a second time.
'use strict';

// This file stands before the bundle: the bundle's validator tries while loading whether it may
// compile code (`Function('')`). The policy forbids that and the validator copes, but the browser
// would report a violation on every visit. Told beforehand, it does not try.
globalThis.__zod_globalConfig = { jitless: true };

document.addEventListener('DOMContentLoaded', () => {
  if (!globalThis.Scalar) {
    document.getElementById('reference').textContent = 'The reference could not be loaded. The document itself is at /api/openapi.json.';
    return;
  }
  Scalar.createApiReference('#reference', {
    url: '/api/openapi.json',

    // Other hosts.
    proxyUrl: '', // an empty text means "no proxy"; left out, requests could go through a public one
    withDefaultFonts: false,
    telemetry: false,
    agent: { disabled: true },
    mcp: { disabled: true },
    hideClientButton: true, // "open in the hosted client"
    showDeveloperTools: 'never', // share, deploy and register buttons
    externalUrls: { dashboardUrl: '', registryUrl: '', proxyUrl: '', apiBaseUrl: '' },

    // Keys typed into the page are forgotten with it.
    persistAuth: false,

    // Reading.
    documentDownloadType: 'json',
    defaultHttpClient: { targetKey: 'shell', clientKey: 'curl' },
    orderSchemaPropertiesBy: 'preserve',
    showOperationId: true,
  });
});
