import { attackMethods } from '@percept/attacks';
import type { CallOptions, ClientTls, Model, ModelReference, RemoteModel } from '@percept/contracts';
import { fetchRemoteModel, type ModelGateway, type RemoteModelDescription } from '@percept/gateways';
import { modelSpecOf, modelWeightsOf } from '@percept/messages';
import { admitOutbound, type OutboundAllowList, parseEndpoint, Violations } from '@percept/platform';
import type { AttackTask } from './tasks.js';

/** What an attack must know of a model, wherever it is. */
export interface ModelInput {
  /** Height, width, channels. */
  readonly shape: readonly [number, number, number];
  readonly classes: number;
  /** Mean and standard deviation of each channel, in pixel units; absent where nobody tells. */
  readonly normalisation?: { readonly mean: readonly number[]; readonly std: readonly number[] };
}

/** A model under attack: registered here, with its weights, or behind an inference endpoint. */
export type AttackedModel = ModelInput &
  (
    | { readonly kind: 'registered'; readonly model: Model; readonly weights: Uint8Array }
    | { readonly kind: 'remote'; readonly description: RemoteModelDescription }
  );

/** Where models come from. */
export interface ModelSources {
  readonly models: ModelGateway;
  /** Where models behind inference endpoints may be. */
  readonly outbound: OutboundAllowList;
  /** How endpoints that speak TLS are believed. */
  readonly outboundTls: ClientTls;
}

/**
 * Fetches a registered model with its weights, or the description of one behind an endpoint of the allow-list.
 *
 * @throws PerceptRpcError NOT_FOUND, PERMISSION_DENIED, INVALID_ARGUMENT for a reference that is none; the errors of `fetchRemoteModel`.
 */
export async function fetchAttackedModel(
  reference: ModelReference | undefined,
  { models, outbound, outboundTls }: ModelSources,
  call: CallOptions,
): Promise<AttackedModel> {
  if (reference?.reference?.$case === 'remote') {
    const description = await fetchRemote(reference.reference.value, outbound, outboundTls, call);
    return { kind: 'remote', description, shape: description.inputShape, classes: description.classes };
  }
  const { model, weights } = await models.fetch(reference, call);
  const { height, widthPixels, channels, classes, mean, std } = modelSpecOf(model.spec);
  return {
    kind: 'registered',
    model,
    weights,
    shape: [height, widthPixels, channels],
    classes,
    normalisation: { mean, std },
  };
}

async function fetchRemote(
  asked: RemoteModel,
  outbound: OutboundAllowList,
  tls: ClientTls,
  call: CallOptions,
): Promise<RemoteModelDescription> {
  const violations = new Violations();
  const endpoint = parseEndpoint(asked.endpoint);
  violations.check(endpoint !== undefined, 'model.remote.endpoint', `must be HOST:PORT, got "${asked.endpoint}"`);
  violations.check(asked.name !== '', 'model.remote.name', 'must be given');
  violations.throwIfAny();
  const { host, port } = endpoint as NonNullable<typeof endpoint>;
  const rule = admitOutbound(outbound, { host, port });
  return await fetchRemoteModel({ ...asked, endpoint: `${host}:${port}` }, rule.tls ? tls : undefined, call);
}

/** The model as a compute worker takes it. */
export function modelOfTask(attacked: AttackedModel): AttackTask['model'] {
  return attacked.kind === 'remote'
    ? { kind: 'remote', description: attacked.description }
    : { kind: 'registered', weights: modelWeightsOf(attacked.model, attacked.weights) };
}

/** Names of the attacks that need no more than a model's scores. */
export const blackBoxMethods: readonly string[] = attackMethods
  .filter(({ blackBox }) => blackBox)
  .map(({ name }) => name);
