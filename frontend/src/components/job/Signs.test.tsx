import { render, screen } from "@testing-library/react";
import { expect, it } from "vitest";
import { Signs } from "./Signs";

const sign = {
  kind: "disk",
  code: "DISK_FULL",
  message: "The disk has 1.2 GB left",
  advice: "Free some room.",
};

it("tells early signs under the code of the failure, once to screen readers, and nothing where there is none", () => {
  const { container, rerender } = render(<Signs signs={[{ ...sign, since_epoch: 3 }]} />);
  expect(screen.getByRole("status")).toHaveTextContent("One early sign of a failure");
  expect(screen.getByRole("listitem")).toHaveTextContent("The disk has 1.2 GB left · since epoch 3");
  expect(screen.getByRole("link", { name: "May end as DISK_FULL" })).toHaveAttribute(
    "href",
    "/errors/DISK_FULL",
  );
  rerender(<Signs signs={[]} />);
  expect(container).toBeEmptyDOMElement();
});
