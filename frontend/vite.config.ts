import tailwindcss from "@tailwindcss/vite";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

const inBrowser = ["src/**/*.test.tsx", "src/services/*.test.ts"];

export default defineConfig({
  plugins: [react(), tailwindcss()],
  build: { chunkSizeWarningLimit: 600 },
  test: {
    restoreMocks: true,
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
