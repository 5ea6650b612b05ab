/** Everything that this package throws of its own, {@link VerificationError} of receivers apart. */
export class RungError extends Error {
  override name = "RungError";
  /** Whether the same request may succeed later. */
  readonly retryable: boolean;

  constructor(message: string, retryable: boolean, options?: ErrorOptions) {
    super(message, options);
    this.retryable = retryable;
  }
}

/** No answer: the connection failed or the request took too long. Whether it took effect is unknown. */
export class ConnectionError extends RungError {
  override name = "ConnectionError";

  constructor(message: string, options?: ErrorOptions) {
    super(message, true, options);
  }
}

/** What is wrong with one field of a request. */
export interface ErrorDetail {
  /** The field's path, such as `events[0].data`, or a header or query parameter. */
  readonly field: string;
  readonly code: string;
  readonly problem: string;
}

/** The body of an error. */
export interface ErrorBody {
  readonly code: string;
  readonly message: string;
  readonly request_id: string | null;
  readonly retryable: boolean;
  readonly details: readonly ErrorDetail[];
}

/** Rung refused the request. */
export class ApiError extends RungError {
  override name = "ApiError";
  /** The HTTP status. */
  readonly status: number;
  /** Stable across releases: branch on it. */
  readonly code: string;
  /** Each wrong field. */
  readonly details: readonly ErrorDetail[];
  /** Finds the request in Rung's log. */
  readonly requestId: string | null;

  constructor(status: number, body: ErrorBody) {
    super(`${body.code} (${status}): ${body.message}`, body.retryable);
    this.status = status;
    this.code = body.code;
    this.details = body.details;
    this.requestId = body.request_id;
  }
}
