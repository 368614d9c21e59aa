import tailwindcss from "@tailwindcss/vite";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

const inBrowser = ["src/**/*.test.tsx", "src/services/*.test.ts"];

const backend = { target: process.env.VTP_URL ?? "http://127.0.0.1:8000" };

export default defineConfig({
  plugins: [react(), tailwindcss()],
  // `npm run dev` beside a running platform: VTP_URL is its address, as `vtp up` prints it.
  server: {
    proxy: { "/api": backend, "^/errors/": backend, "/ws": { ...backend, ws: true }, "^/\\?token=": backend },
  },
  build: { chunkSizeWarningLimit: 600 },
  test: {
    restoreMocks: true,
    testTimeout: 30_000,
    // Pure functions need no document; making one for each file costs more than all their tests.
    projects: [
      {
        extends: true,
        test: {
          name: "pure",
          include: ["src/**/*.test.ts"],
          exclude: inBrowser,
          environment: "node",
          isolate: false,
        },
      },
      {
        extends: true,
        test: { name: "page", include: inBrowser, environment: "jsdom", setupFiles: ["./src/test-setup.ts"] },
      },
    ],
  },
});
