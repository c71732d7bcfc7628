# mypy: ignore-errors
# ruff: noqa: UP018 - float() makes a variable of a constant, for warp
"""Warp kernels of the studio: vertex normals, color of the person per ray, and the soft shadow on the floor.

The only module that imports warp at the top (kernels are compiled from their source); typed by warp, not by mypy.
"""

import warp as wp

wp.set_module_options({"enable_backward": False})  # halves the compile time; nothing here is differentiated

PLAIN, STRIPES, CHECKS, LOGO, DENIM, SKIN, EYE, HAIR, SHOE, TEETH = (wp.constant(i) for i in range(10))


@wp.struct
class Shading:
    """Parameters of materials, face and light."""

    first: wp.array(dtype=wp.vec3)
    second: wp.array(dtype=wp.vec3)
    kind: wp.array(dtype=int)
    scale: wp.array(dtype=float)
    eye: wp.vec3  # the left eye's center at rest; the right is its mirror image
    logo: wp.vec3  # the logo's center on the chest at rest
    hairline: wp.vec3  # color of the brows
    light: wp.vec3  # unit vector to the key light
    key: wp.vec3
    sky: wp.vec3
    ground: wp.vec3
    sole: float  # height of the top of the sole at rest


@wp.struct
class Person:
    """The posed mesh with its rest coordinates."""

    mesh: wp.uint64
    normals: wp.array(dtype=wp.vec3)
    fabric: wp.array(dtype=wp.vec3)
    paint: wp.array(dtype=float)
    indices: wp.array(dtype=int)
    material: wp.array(dtype=int)


@wp.kernel
def add_normals(points: wp.array(dtype=wp.vec3), indices: wp.array(dtype=int), normals: wp.array(dtype=wp.vec3)):
    """Add the area-weighted normal of each triangle to its corners."""
    t = wp.tid()
    i = indices[3 * t]
    j = indices[3 * t + 1]
    k = indices[3 * t + 2]
    n = wp.cross(points[j] - points[i], points[k] - points[i])
    wp.atomic_add(normals, i, n)
    wp.atomic_add(normals, j, n)
    wp.atomic_add(normals, k, n)


@wp.func
def step(edge: float, width: float, x: float):
    """Return 0 below the edge, 1 above, smooth over `width`."""
    s = wp.clamp((x - edge) / width + 0.5, 0.0, 1.0)
    return s * s * (3.0 - 2.0 * s)


@wp.func
def wave(x: float):
    return 0.5 + 0.5 * wp.sin(x * 6.2831853)


@wp.func
def fract(x: float):
    return x - wp.floor(x)


@wp.func
def skin_color(shading: Shading, base: wp.vec3, lips: wp.vec3, p: wp.vec3, paint: float):
    """Return the color of skin with lips, brows and blush at the rest position `p`."""
    c = base
    x = wp.abs(p[0])
    side = x - shading.eye[0]
    up = p[2] - shading.eye[2]
    if p[1] < shading.eye[1] + 0.03 and up > -0.1 and up < 0.05:
        cheek = wp.exp(-(side * side + (up + 0.035) * (up + 0.035)) / 0.0004)
        c = wp.cw_mul(c, wp.vec3(1.0, 1.0 - 0.10 * cheek, 1.0 - 0.11 * cheek))
        rise = 0.0205 - 9.0 * (side - 0.003) * (side - 0.003)
        thick = 0.0036 * wp.clamp(1.0 - (side + 0.018) / 0.050, 0.25, 1.0)
        brow = (1.0 - step(thick, 0.0022, wp.abs(up - rise))) * step(-0.0195, 0.004, side) * (1.0 - step(0.023, 0.006, side))
        c = wp.lerp(c, shading.hairline, 0.85 * brow)
        lid = wp.exp(-(side * side) / 0.0003 - (up - 0.008) * (up - 0.008) / 0.00004)
        c = c * (1.0 - 0.18 * lid)
    c = wp.lerp(c, lips, wp.clamp(paint, 0.0, 1.0) * 0.75)
    return wp.lerp(c, wp.vec3(0.22, 0.06, 0.06), wp.clamp(paint - 1.0, 0.0, 1.0))


@wp.func
def eye_color(shading: Shading, iris: wp.vec3, p: wp.vec3):
    """Return white, iris or pupil by the distance from the optical axis."""
    dx = wp.abs(p[0]) - shading.eye[0]
    dz = p[2] - shading.eye[2]
    r = wp.sqrt(dx * dx + dz * dz)
    c = wp.lerp(wp.vec3(0.10, 0.08, 0.07), iris, step(0.0030, 0.001, r))
    return wp.lerp(c, wp.vec3(0.93, 0.92, 0.90), step(0.0066, 0.001, r))


@wp.func
def surface_color(shading: Shading, m: int, p: wp.vec3, paint: float):
    """Return the color of material `m` at fabric position `p`."""
    kind = shading.kind[m]
    a = shading.first[m]
    b = shading.second[m]
    s = shading.scale[m]
    if kind == SKIN:
        return skin_color(shading, a, b, p, paint)
    if kind == EYE:
        return eye_color(shading, a, p)
    if kind == STRIPES:
        return wp.lerp(a, b, step(0.5, 0.12, wp.abs(2.0 * fract(p[2] / s) - 1.0)))
    if kind == CHECKS:
        across = step(0.5, 0.15, wp.abs(2.0 * fract(p[0] / s) - 1.0))
        along = step(0.5, 0.15, wp.abs(2.0 * fract(p[2] / s) - 1.0))
        return wp.lerp(a, b, 0.5 * (across + along))
    if kind == LOGO:
        dx = p[0] - shading.logo[0]
        dz = p[2] - shading.logo[2]
        r = wp.sqrt(dx * dx + dz * dz)
        angle = wp.atan2(dx, dz)
        star = s * (0.72 + 0.28 * wp.cos(5.0 * angle))
        if p[1] < shading.logo[1]:
            return wp.lerp(b, a, step(star, 0.006, r))
        return a
    if kind == DENIM:
        weave = 0.5 * wave((p[0] + p[2]) * 110.0) + 0.5 * wave((p[0] - p[2]) * 37.0 + p[1] * 20.0)
        c = wp.lerp(a, b, 0.35 * weave)
        seam = wp.abs(p[1] + 0.012)
        return c * (0.8 + 0.2 * step(0.004, 0.003, seam))
    if kind == HAIR:
        angle = wp.atan2(p[0], p[2] - shading.eye[2] + 0.02)
        if p[2] < shading.eye[2] + 0.03:
            angle = wp.atan2(p[0], shading.eye[1] - p[1] + 0.09) * 1.5
        bend = 0.6 * wp.sin(p[1] * 40.0 + p[2] * 25.0)
        streak = 0.45 * wave(angle * 9.0 + bend) + 0.35 * wave(angle * 23.0 - bend) + 0.2 * wave(angle * 41.0)
        return wp.lerp(a, b, streak * 0.8)
    if kind == SHOE:
        return wp.lerp(b, a, step(shading.sole, 0.004, p[2]))
    return a


@wp.func
def folds(p: wp.vec3):
    """Return shallow creases of cloth as a tilt of the normal."""
    a = wp.sin(p[2] * 46.0 + 5.0 * wp.sin(p[0] * 13.0 + p[1] * 7.0))
    b = wp.sin(p[2] * 31.0 - p[0] * 38.0 + 3.0 * wp.sin(p[1] * 17.0))
    return wp.vec3(0.05 * b, 0.0, 0.07 * a + 0.04 * b)


@wp.func
def shade(shading: Shading, person: Person, face: int, u: float, v: float, where: wp.vec3, towards: wp.vec3):
    """Return the color of a hit: pattern, key light with cast shadow, sky and ground light, and a soft rim."""
    i = person.indices[3 * face]
    j = person.indices[3 * face + 1]
    k = person.indices[3 * face + 2]
    w = 1.0 - u - v
    n = wp.normalize(person.normals[i] * u + person.normals[j] * v + person.normals[k] * w)
    p = person.fabric[i] * u + person.fabric[j] * v + person.fabric[k] * w
    paint = person.paint[i] * u + person.paint[j] * v + person.paint[k] * w
    m = person.material[face]
    kind = shading.kind[m]
    if kind <= DENIM:
        n = wp.normalize(n + folds(p))
    if wp.dot(n, towards) > 0.0:
        n = -n
    c = surface_color(shading, m, p, paint)
    facing = wp.dot(n, shading.light)
    lit = wp.max(facing, 0.0)
    if kind == SKIN:
        lit = wp.max((facing + 0.15) / 1.15, 0.0)
    if lit > 0.0:
        blocked = wp.mesh_query_ray_anyhit(person.mesh, where + n * 0.006, shading.light, 3.0)
        if blocked:
            lit = lit * 0.22
    ambient = wp.lerp(shading.ground, shading.sky, 0.5 + 0.5 * n[2])
    front = wp.max(-wp.dot(n, towards), 0.0)
    light = ambient * (0.72 + 0.28 * front) + shading.key * lit
    c = wp.cw_mul(c, light)
    half = wp.normalize(shading.light - towards)
    gloss = float(0.03)
    power = float(12.0)
    if kind == HAIR:
        gloss = 0.10
        power = 18.0
    if kind == EYE:
        gloss = 0.7
        power = 90.0
    if kind == SHOE:
        gloss = 0.10
        power = 24.0
    shine = gloss * wp.pow(wp.max(wp.dot(n, half), 0.0), power) * wp.min(lit * 3.0, 1.0)
    return c + shading.key * shine


@wp.kernel
def draw(
    person: Person,
    shading: Shading,
    eye: wp.vec3,
    corner: wp.vec3,
    across: wp.vec3,
    down: wp.vec3,
    xs: wp.array(dtype=float),
    ys: wp.array(dtype=float),
    color: wp.array(dtype=wp.vec4),
):
    """Compute color and coverage of the ray through image position (xs, ys) px."""
    t = wp.tid()
    d = wp.normalize(corner + across * xs[t] + down * ys[t])
    q = wp.mesh_query_ray(person.mesh, eye, d, 100.0)
    out = wp.vec4(0.0, 0.0, 0.0, 0.0)
    if q.result:
        c = shade(shading, person, q.face, q.u, q.v, eye + d * q.t, d)
        out = wp.vec4(c[0], c[1], c[2], 1.0)
    color[t] = out


@wp.kernel
def floor_shadow(
    person: Person,
    points: wp.array(dtype=wp.vec3),
    lights: wp.array(dtype=wp.vec4),
    shadow: wp.array(dtype=float),
):
    """Compute the fraction of the area light that the person blocks at each floor point; a light is a direction and a range in
    m."""
    t = wp.tid()
    p = points[t] + wp.vec3(0.0, 0.0, 0.002)
    hidden = float(0.0)
    count = lights.shape[0]
    for i in range(count):
        towards = lights[i]
        if wp.mesh_query_ray_anyhit(person.mesh, p, wp.vec3(towards[0], towards[1], towards[2]), towards[3]):
            hidden += 1.0
    shadow[t] = hidden / float(count)
