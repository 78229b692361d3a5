// SPDX-License-Identifier: Apache-2.0
// One HTML file, one script, one style sheet, all from the server itself: nothing is inlined, so
// that `default-src 'self'` is enough. Paths are relative: a proxy may serve the page below a folder.
import {defineConfig} from 'vitest/config';

// `npm run dev` shows the page as it is edited, on top of a server that runs.
const server = process.env.REDKNOT_URL ?? 'http://127.0.0.1:8080';

export default defineConfig({
  base: './',
  build: {
    target: 'es2022',
    modulePreload: false,
    assetsInlineLimit: 0,
    reportCompressedSize: false,
    rollupOptions: {
      output: {
        entryFileNames: 'page.js',
        assetFileNames: (asset) =>
          asset.names.some((name) => name.endsWith('.css')) ? 'page.css' : '[name][extname]',
      },
    },
  },
  server: {proxy: {'/v1': server, '/redknot': server}},
  test: {include: ['src/**/*.test.ts'], environment: 'node'},
});
