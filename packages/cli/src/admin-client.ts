// SPDX-License-Identifier: Apache-2.0
// The admin API of the gateway whose folder is named on the command line.
import { AdminClient, HttpJson } from '@cloister/api';
import { readAdminToken, readGatewayConfig } from '@cloister/gateway/home';

export async function adminOf(home: string): Promise<AdminClient> {
  const [config, token] = await Promise.all([readGatewayConfig(home), readAdminToken(home)]);
  return new AdminClient(new HttpJson({ base: `http://${config.host}:${config.port}`, token }));
}
