import { QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import "./app.css";
import { Boundary } from "./components/Crash";
import { watchForCrashes } from "./lib/crashes";
import { startTheme } from "./lib/theme";
import { makeQueryClient } from "./queryClient";
import { router } from "./router";

startTheme();
watchForCrashes();
const root = document.getElementById("root");
if (!root) throw new Error("index.html has no #root");
createRoot(root).render(
  <StrictMode>
    <Boundary>
      <QueryClientProvider client={makeQueryClient()}>
        <RouterProvider router={router} />
      </QueryClientProvider>
    </Boundary>
  </StrictMode>,
);
