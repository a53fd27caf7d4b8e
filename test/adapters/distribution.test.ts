import { describe } from 'node:test';
import { conformsToPeer } from './conformance.ts';
import { conformsToPlainRegistry } from './conformance-plain.ts';
import { vendorOf } from './vendor.ts';

describe('the distribution adapter', () => {
  conformsToPeer(vendorOf('distribution'));
  conformsToPlainRegistry(vendorOf('distribution'));
});
