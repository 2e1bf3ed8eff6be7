package chancery.authz_test

import data.chancery.authz
