import { Link, useLocation } from "@tanstack/react-router";
import { buttonClass, Empty } from "../components/ui";
import { useTitle } from "../hooks/useTitle";

export function NotFoundPage() {
  const { pathname } = useLocation();
  useTitle("Page not found");
  return (
    <div className="mx-auto mt-8 max-w-2xl rounded-lg border border-line bg-panel">
      <h1 className="sr-only">Page not found</h1>
      <Empty
        title="There is no page at this address"
        action={
          <>
            <Link to="/" className={buttonClass("primary")}>
              All jobs
            </Link>
            <Link to="/datasets" className={buttonClass()}>
              Data sets
            </Link>
          </>
        }
      >
        <code className="font-mono break-all">{pathname}</code> is not one of this platform. A job or data set
        that was deleted has no page any more.
      </Empty>
    </div>
  );
}
