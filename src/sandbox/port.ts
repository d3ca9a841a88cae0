// The fixed ports that a sandbox for a person listens on: how to choose others, and what to say
// when one cannot be had.

/** TCP ports on 127.0.0.1; 0 takes any free one. */
export interface Ports {
  readonly sqs: number;
  readonly iot: number;
  readonly dynamodb: number;
}

type PortName = keyof Ports;

const variables: Readonly<Record<PortName, string>> = {
  sqs: 'SANDBOX_SQS_PORT',
  iot: 'SANDBOX_IOT_PORT',
  dynamodb: 'SANDBOX_DYNAMODB_PORT',
};
const defaults: Ports = { sqs: 9324, iot: 9325, dynamodb: 9326 };
const names = ['sqs', 'iot', 'dynamodb'] as const satisfies readonly PortName[];

/** The ports that the environment asks for, or what is wrong with it. */
export type PortsRead =
  | ({ readonly kind: 'ports' } & Ports)
  | { readonly kind: 'invalid'; readonly problem: string };

/**
 * Reads `SANDBOX_SQS_PORT` (default 9324), `SANDBOX_IOT_PORT` (default 9325) and
 * `SANDBOX_DYNAMODB_PORT` (default 9326).
 */
export function readPorts(environment: Readonly<Record<string, string | undefined>>): PortsRead {
  const given = (name: PortName): string => environment[variables[name]] || String(defaults[name]);
  const problems = names
    .filter((name) => !isPort(given(name)))
    .map((name) => `${variables[name]} is no port: ${given(name)}. Give a number from 0 to 65535.`);
  if (problems.length > 0) return { kind: 'invalid', problem: problems.join(' ') };
  return {
    kind: 'ports',
    sqs: Number(given('sqs')),
    iot: Number(given('iot')),
    dynamodb: Number(given('dynamodb')),
  };
}

/** One line on why a port could not be had and what to do; undefined for any other failure. */
export function explainPort(error: unknown, ports: Ports): string | undefined {
  const { code, port } = error as { readonly code?: unknown; readonly port?: unknown };
  const variable = variables[names.find((name) => ports[name] === port) ?? 'sqs'];
  const remedy = `choose another: ${variable}=0 npm run sandbox (0 takes any free port).`;
  switch (code) {
    case 'EADDRINUSE':
      return `Port ${String(port)} on 127.0.0.1 is taken, maybe by another sandbox. Stop that one, or ${remedy}`;
    case 'EACCES':
      return `Port ${String(port)} on 127.0.0.1 needs privileges; ${remedy}`;
    default:
      return undefined;
  }
}

function isPort(text: string): boolean {
  return /^\d{1,5}$/.test(text) && Number(text) <= 65_535;
}
