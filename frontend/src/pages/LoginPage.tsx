import { useSearch } from "@tanstack/react-router";
import { LoginForm } from "../components/Login";
import { useTitle } from "../hooks/useTitle";

export function LoginPage() {
  const { wrong } = useSearch({ from: "/login" });
  useTitle("Log in");
  return (
    <div className="mx-auto mt-10 max-w-md rounded-lg border border-line bg-panel p-6">
      <h1 className="mb-3 text-xl font-semibold">Log in</h1>
      <LoginForm wrong={wrong} onDone={() => location.assign("/")} />
    </div>
  );
}
